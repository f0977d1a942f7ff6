"""Why a forecast is what it is, and which words and which older posts stand behind it.

Comes in: a bundle and posts. Goes out: contributions that add up to the forecast, words, similar posts.
"""
