"""The one runner of the pipeline: a ready queue over the stages, with or without DVC, here or on other machines.

Comes in: stages with what each needs and claims. Goes out: commands in order of dependence, outs and dvc.lock as
``dvc repro`` leaves them. Nothing here knows a dataset, a feature or a model.
"""
