"""Libraries that are slow to import or need not be there: how popcast names them without importing them.

Comes in: the contract of a table, or an import that failed. Goes out: the contract as pandera checks it, made when a
table is checked, or one line that says which extra to install.
"""
