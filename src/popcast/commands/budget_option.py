"""``--budget`` of ``popcast init`` and ``popcast run``: a span of time as seconds."""

from __future__ import annotations

import click

from popcast.core.errors import BadInput
from popcast.planning.choosing.durations import seconds_of


class Budget(click.ParamType):
    """``5m``, ``90s`` or ``1h`` as seconds."""

    name = "time"

    def convert(self, value, param, ctx) -> float:
        try:
            return seconds_of(value, "time")
        except BadInput as error:
            self.fail(str(error).removeprefix("time: "), param, ctx)
