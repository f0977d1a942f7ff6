"""Which split, blocks, runs and blend suit a table of posts: documented rules, within a budget of seconds.

Comes in: facts about the posts and the seconds there are. Goes out: sections of params.yaml as plain dictionaries, the
same ones for the same facts, and what they are expected to take.
"""
