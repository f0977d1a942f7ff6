"""Tables whose cells have types: parquet, xlsx, data frames, lists of dicts.

Comes in: such a file or table. Goes out: its columns in the few types that rows have, objects by dotted names.
"""
