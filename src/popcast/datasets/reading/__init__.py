"""From files of posts of any usual kind to rows of cells, each with its file and row: what the cells mean comes later.

Comes in: names or patterns of files, packed or not, and what is known of their form. Goes out: a
:class:`popcast.datasets.reading.row_table.RowTable`, the rows that could not be read, and what was found by looking.
"""
