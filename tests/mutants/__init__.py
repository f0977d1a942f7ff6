"""A drill of the tests: ``python -m tests.mutants`` changes the core in small wrong ways and says what no test noticed.

Comes in: source files and the tests of each (targets.py). Goes out: killed, survived and equivalent mutants.
"""
