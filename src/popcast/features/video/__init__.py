"""Feature block ``video``: F frames of a post's video, or its cover where there is no video."""

from popcast.features.video.block import Block, Params

__all__ = ["Block", "Params"]
