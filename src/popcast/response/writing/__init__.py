"""Language models that write responses: prompts with regions, the stand-in base, what is trained and asked.

Comes in: cases with history posts, portraits and news. Goes out: tuned models, and a text per case, system and sample.
"""
