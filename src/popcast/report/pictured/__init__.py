"""Pictures of the report: small enough for one file, and told in words with their numbers.

Comes in: PNG files and the csv tables beside them. Goes out: data URLs with alternative texts and captions.
"""
