"""The wheel: every file of the package and the settings are in it, and it works outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from tests.conftest import ROOT

BUILT_FROM = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "params.yaml", "src")
LEFT = shutil.ignore_patterns("__pycache__", "*.egg-info")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """What a build reads, apart from the checkout: building leaves folders beside the source."""
    folder = tmp_path_factory.mktemp("source")
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (found,) = folder.glob("popcast-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def outside(installed: Path, folder: Path, code: str) -> str:
    """What a process prints that has the installed package before the checkout's, run in ``folder``."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def package_files(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in (folder / "popcast").rglob("*") if path.is_file())
    return {file.as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_wheel_holds_every_file_of_the_package_and_the_settings(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        settings = archive.read("popcast/params.yaml")
    assert held == package_files(ROOT / "src") | {"popcast/params.yaml"}
    assert settings == (ROOT / "params.yaml").read_bytes()


def test_a_source_distribution_builds_the_same_wheel(source, wheel, tmp_path):
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    pip(
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(tmp_path / packed.name[: -len(".tar.gz")]),
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as one, zipfile.ZipFile(wheel) as other:
        names = {name for name in one.namelist() if ".dist-info/" not in name}
        assert names == {name for name in other.namelist() if ".dist-info/" not in name}
        assert all(one.read(name) == other.read(name) for name in names)


def test_its_metadata_name_the_extras_and_the_pythons(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_string(archive.read(name).decode())
        entries = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert metadata["Requires-Python"] == "<3.14,>=3.11"
    assert metadata["License-Expression"] == "MIT"
    extras = {
        "text",
        "llm",
        "simulation",
        "response",
        "serve",
        "remotes",
        "ray",
        "gpu",
        "pretrained",
        "media",
        "model-server",
        "search",
        "pipeline",
    }
    assert set(metadata.get_all("Provides-Extra")) == extras | {"all"}
    core = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not [line for line in core if line.startswith(("torch", "transformers", "dvc"))]
    assert any(line.startswith("polars") for line in core)
    assert "popcast = popcast.cli:main" in entries


def test_it_is_imported_outside_the_checkout_with_its_settings_and_templates(installed, tmp_path):
    said = outside(
        installed,
        tmp_path,
        "import popcast\n"
        "from popcast.planning.default_params import default_file, default_params\n"
        "from popcast.report import page_templates\n"
        "print(popcast.__file__, default_file(), len(default_params()['models']) > 3, sep='|')",
    )
    package, settings, models = said.split("|")
    assert Path(package).is_relative_to(installed)
    assert Path(settings) == installed / "popcast" / "params.yaml"
    assert models == "True"


def test_every_module_of_it_is_the_installed_one(installed, tmp_path):
    """No module reaches back into the checkout, and every one that the sandbox of a test can import is imported."""
    said = outside(
        installed,
        tmp_path,
        "import importlib, pkgutil, popcast, sys\n"
        "names = [one.name for one in pkgutil.walk_packages(popcast.__path__, 'popcast.')]\n"
        "[importlib.import_module(name) for name in names]\n"
        "files = [sys.modules[name].__file__ for name in names]\n"
        "print(len(names), sum(not file.startswith(popcast.__path__[0]) for file in files))",
    )
    modules, elsewhere = map(int, said.split())
    assert modules > 300
    assert elsewhere == 0


def test_a_forecast_outside_the_checkout(installed, tmp_path):
    shutil.copy(ROOT / "scripts" / "first_forecast.py", tmp_path)
    said = outside(installed, tmp_path, "import runpy; runpy.run_path('first_forecast.py', run_name='__main__')")
    assert "400 forecasts of the loaded forecaster" in said
    assert (tmp_path / "kept").is_dir()
