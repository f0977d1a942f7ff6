"""What one stage instance is told: its resolved settings, from ``data/plan/<stage>/<key>.json``.

The stage ``plan`` writes these files; every other stage reads its own and nothing else of params.yaml. Beside the
settings a file names the source files and installed versions that the instance can reach, so that DVC runs a stage
again when, and only when, one of them has changed.
"""

from __future__ import annotations

import hashlib
import sys
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import orjson

from popcast.core import params, paths
from popcast.core.errors import bad_input
from popcast.core.safety.source_hash import source_hash
from popcast.core.section import Section

ROOT = Path(__file__).resolve().parents[3]
"""The project whose source runs: with ``src`` and ``stages`` in it."""

AnySection = TypeVar("AnySection", bound=Section)


class Plan:
    """The plan of one stage instance. Raises BadInput where its file is not there or is no plan.

    ``folders``: local model folders that the settings name -> hash of their files.
    """

    def __init__(self, stage: str, key: str) -> None:
        self.stage, self.key = stage, key
        self.file = paths.plan(stage, key)
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise bad_input(
                f"no plan of {stage}@{key} ({error.strerror})", file=self.file,
                expected="a key that params.yaml names, and `dvc repro plan` after every change",
            ) from None  # fmt: skip
        try:
            self._content: dict[str, Any] = orjson.loads(content)
            self.settings: dict[str, Any] = self._content["settings"]
            self.folders: dict[str, str] = self._content.get("folders", {})
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise bad_input("not a plan", file=self.file, expected="what `dvc repro plan` writes") from None

    @cached_property
    def current(self) -> dict[str, dict[str, str | None]]:
        """``source`` and ``versions`` of the file, their hashes and numbers as they are now; null: no longer there."""
        return {
            "source": {name: _hash_now(name) for name in self._content.get("source", {})},
            "versions": {name: _version_now(name) for name in self._content.get("versions", {})},
        }

    def hash_without(self, *names: str) -> str:
        """Hex SHA-256 of settings, source and versions. What a killed run left is found again by it.

        Source and versions count as they are now, for a stage may be started without ``dvc repro plan`` before it.
        names: settings that may differ: what they say changes no result.
        """
        settings = {name: value for name, value in self.settings.items() if name not in names}
        content = [self._content | {"settings": settings}, self.current]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def check_current(self) -> None:
        """Raise BadInput where source or versions are no longer those of the plan: outs would be locked under it."""
        for kind, now in self.current.items():
            for name, value in self._content.get(kind, {}).items():
                if now[name] != value:
                    what = name if kind == "source" else f"the installed {name}"
                    raise bad_input(f"{what} is another one than when the plan was made", file=self.file,
                                    expected="`dvc repro` again, which plans first")  # fmt: skip

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


def _hash_now(name: str) -> str | None:
    path = ROOT / name
    return source_hash(path) if path.is_file() else None


def _version_now(name: str) -> str | None:
    if name == "python":
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
