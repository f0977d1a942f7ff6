"""Feature blocks, one per file, all behind :class:`popcast.features.base.Block`."""
