"""What each column of a user's export is: the post's id, its author, its time, an outcome, or nothing that is used.

Comes in: rows as read, and what the user says about some columns. Goes out: a role per column, how sure it is and why,
and the layout ``datasets.<name>.table``; what is in doubt is an error that names the option.
"""
