"""PAC-LoRA: low-rank experts whose gates read the news and the user apart (socialalign.md 7).

Comes in: a base folder, tokens with their regions. Goes out: a tuned folder, and a model that is told the regions.
"""
