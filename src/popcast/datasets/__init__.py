"""Datasets, one per file: ``load(raw, dataset) -> posts``, all behind :func:`popcast.datasets.loading.load`."""
