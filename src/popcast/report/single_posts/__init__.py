"""Single posts of the test part on the page: what was forecast, what came of them, and why.

Comes in: ``examples.json`` of the bundles. Goes out: posts as the page's template shows them.
"""
