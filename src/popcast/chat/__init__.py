"""The one way to servers that speak the OpenAI chat API: reading of answers, cache of answers, keys that never leak.

Comes in: prompts with seeds. Goes out: answers with token counts, each paid for once.
"""
