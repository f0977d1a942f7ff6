"""Feature blocks, one per file, all behind :class:`popcast.features.common.contract.Block`."""
