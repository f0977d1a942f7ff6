"""What every stage needs and nothing else: errors, sections, paths, tables, the stage frame, scratch, engine.

Comes in: a plan file and tables. Goes out: checked settings, checked tables, one-line errors.
"""
