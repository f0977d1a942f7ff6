"""SocialAlign: what each user would write in response to a piece of news, and how the public's responses are mixed.

Comes in: raw folders of collected responses. Goes out: cases, generated responses, shares of sentiment, their scores.
"""
