"""What keeps results whole when disks fill up and processes die.

Comes in: a path, a folder, a process. Goes out: whole files or none, one-line errors, locks, no orphans.
"""
