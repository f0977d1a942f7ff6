"""A simulation for the eye: pictures, the posts that the page steps through, and one post of your own.

Comes in: the tables of a simulation. Goes out: PNG and csv files, and episodes as JSON.
"""
