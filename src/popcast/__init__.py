"""popcast: forecasts how popular a social media post will be.

The way of the data: raw folder -> posts -> splits -> features -> predictions -> blend -> metrics -> report.
Every arrow is one stage in ``dvc.yaml`` and one click script in ``stages/``.
"""
