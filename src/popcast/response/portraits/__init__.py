"""Short descriptions of real users, from what they wrote before.

Comes in: history posts of a case. Goes out: a portrait per case, or a recorded error.
"""
