"""Pages of the site that are made when it is built.

Comes in: the commands of `popcast`, the sections of params.yaml, the notebook. Goes out: Markdown.
"""
