"""What one stage instance is told: its resolved settings, from ``data/plan/<stage>/<key>.json``.

The stage ``plan`` writes these files; every other stage reads its own and nothing else of params.yaml. Beside the
settings a file names the source files and installed versions that the instance can reach, so that DVC runs a stage
again when, and only when, one of them has changed.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, TypeVar

import orjson

from popcast.core import params, paths
from popcast.core.errors import bad_input
from popcast.core.section import Section

AnySection = TypeVar("AnySection", bound=Section)


class Plan:
    """The plan of one stage instance. Raises BadInput where its file is not there or is no plan.

    ``folders``: local model folders that the settings name -> hash of their files.
    """

    def __init__(self, stage: str, key: str) -> None:
        self.stage, self.key = stage, key
        self.file = paths.plan(stage, key)
        try:
            self._bytes = self.file.read_bytes()
        except OSError as error:
            raise bad_input(
                f"no plan of {stage}@{key} ({error.strerror})", file=self.file,
                expected="a key that params.yaml names, and `dvc repro plan` after every change",
            ) from None  # fmt: skip
        try:
            content = orjson.loads(self._bytes)
            self.settings: dict[str, Any] = content["settings"]
            self.folders: dict[str, str] = content.get("folders", {})
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise bad_input("not a plan", file=self.file, expected="what `dvc repro plan` writes") from None

    @cached_property
    def hash(self) -> str:
        """Hex SHA-256 of the file: settings, source and versions. What a killed run left is found again by it."""
        return hashlib.sha256(self._bytes).hexdigest()

    def hash_without(self, *names: str) -> str:
        """Like ``hash``, but those settings may differ: what they say changes no result."""
        content = orjson.loads(self._bytes)
        content["settings"] = {name: value for name, value in content["settings"].items() if name not in names}
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def __getitem__(self, name: str) -> Any:
        """The setting ``name`` as JSON has it: a number, a text, a list or a dictionary."""
        if name not in self.settings:
            raise bad_input(f"no setting {name!r} in it", file=self.file, expected="a plan of this version of popcast")
        return self.settings[name]

    def section(self, name: str, kind: type[AnySection]) -> AnySection:
        """The setting ``name`` as a section of settings."""
        return params.parse(kind, self[name], f"{self.stage}@{self.key}: {name}")

    def sections(self, name: str, kind: type[AnySection]) -> dict[str, AnySection]:
        """The setting ``name``, a dictionary of sections, in its order."""
        where = f"{self.stage}@{self.key}: {name}"
        return {key: params.parse(kind, value, f"{where}.{key}") for key, value in self[name].items()}
