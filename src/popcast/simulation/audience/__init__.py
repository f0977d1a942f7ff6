"""Who reacts: personas, the graph of who follows whom, and how near a post is to each.

Comes in: trait lists or a user's table of personas. Goes out: a population.
"""
