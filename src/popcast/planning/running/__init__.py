"""The one runner behind ``scripts/repro.py``: a ready queue over the stages of dvc.yaml, with or without DVC.

``ready_queue`` decides what starts, ``dvc_stages`` and ``plain_stages`` know the stages, ``launchers`` start commands,
``progress`` tells about it, and ``runner`` is the loop that joins them.
"""
