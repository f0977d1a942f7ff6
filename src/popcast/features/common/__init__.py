"""What feature blocks share: their contract, causal time lines, visibility of labels, retrieval, encoders.

Comes in: posts with splits. Goes out: checked feature tables.
"""
