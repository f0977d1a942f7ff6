"""What the stage ``report`` is told of each dataset."""

from __future__ import annotations

from pydantic import Field

from popcast.core.section import Name, Section
from popcast.datasets.params import Metric


class ReportedDataset(Section):
    metric: Metric
    kind: str
    split: Name = Field(description="method of its split")
    models: list[str] = Field(description="names of its runs, in the order of params.yaml")
    adversarial: bool = Field(description="pictures of adversarial validation are there")
