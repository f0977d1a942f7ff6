"""The settings that popcast comes with, wherever it runs: params.yaml of the package, or of the checkout.

A wheel holds a copy of the project's params.yaml as ``popcast/params.yaml``. Sections that say which datasets there are
leave with the sample's; what stays is how blocks, predictors, blend and scorer are set.
"""

from __future__ import annotations

import copy
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from popcast.core import yaml_reading
from popcast.core.errors import bad_input
from popcast.core.params import parse
from popcast.planning.overlay import PER_DATASET
from popcast.planning.project_params import Params


def default_file() -> Path:
    """params.yaml in the package, else at the root of the checkout that the package lies in."""
    packaged = Path(str(resources.files("popcast"))) / "params.yaml"
    found = packaged if packaged.is_file() else Path(__file__).resolve().parents[3] / "params.yaml"
    if not found.is_file():
        raise bad_input("missing: this installation of popcast is not whole", file=packaged)
    return found


@cache
def _read() -> dict[str, Any]:
    file = default_file()
    values = yaml_reading.mapping(yaml_reading.read_yaml(file), file)
    return {key: {} if key in PER_DATASET else value for key, value in values.items()}


def default_params() -> dict[str, Any]:
    """Sections of params.yaml as plain values, without any dataset. The caller may change them."""
    return copy.deepcopy(_read())


def with_sections(given: dict[str, Any]) -> Params:
    """The default settings with the sections ``given`` laid over them as ``popcast use`` does, checked as a whole.

    Sections that say which datasets there are are replaced, all others are merged key by key.
    """
    values = default_params()
    for section, value in given.items():
        values[section] = value if section in PER_DATASET else _merged(values.get(section, {}), value)
    return parse(Params, values, "")


def _merged(old: Any, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {key: _merged(old.get(key), value) for key, value in new.items()}
