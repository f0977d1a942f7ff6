"""Who answers for the personas: rules, a local language model, or a model server.

Comes in: requests to personas. Goes out: raw answers in the grammar of reactions.
"""
