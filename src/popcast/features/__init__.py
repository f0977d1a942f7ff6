"""Feature blocks, a folder each, all behind :class:`popcast.features.common.contract.FeatureBlock`.

Comes in: posts with their splits. Goes out: one table per block, and what the block learned on the training posts.
"""
