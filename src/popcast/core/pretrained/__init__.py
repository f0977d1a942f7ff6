"""Model folders, our own and those of other people: looked through before anything of them is opened.

Comes in: a hub id, a folder, or a file of a saved model. Goes out: what it holds, or one line that names the file.
"""
