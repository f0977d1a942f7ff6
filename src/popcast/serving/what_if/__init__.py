"""What would change a forecast: hour, tags, category, title, length, picture; what the data bear out, and no more.

Comes in: a bundle and one post. Goes out: differences to its forecast with intervals, or that there is none to tell.
"""
