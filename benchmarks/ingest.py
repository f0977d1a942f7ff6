"""Raw SMPD to posts against plain json and pandas, on generated files: ``python -m benchmarks.ingest --posts 305613``.

Both sides read the same folder in a process of its own, so that each one's peak memory is its own. The plain side does
what a notebook does: ``json.load`` of every file, ``pandas.DataFrame``, merge on (Uid, Pid), tags split, numbers and
dates parsed.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


def with_popcast(raw: Path) -> int:
    from popcast.datasets.loading import load
    from popcast.datasets.params import Dataset

    posts, _ = load("smpd", Dataset(kind="smpd", raw=str(raw), zone="Asia/Shanghai", max_reject_share=0.05))
    return posts.height


def with_pandas(raw: Path) -> int:
    import pandas as pd

    parts = []
    for name in ("train", "test"):
        folder = raw / f"{name}_allmetadata_json"
        tables = []
        for kind in ("category", "text", "additional_information", "temporalspatial_information", "user_data"):
            with (folder / f"{name}_{kind}.json").open(encoding="utf-8") as file:
                tables.append(pd.DataFrame(json.load(file)).astype({"Uid": str, "Pid": str}).reset_index(drop=True))
        merged = tables[0]
        for table in tables[1:]:
            merged = merged.merge(table, on=["Uid", "Pid"], validate="one_to_one")
        merged["posted_at"] = pd.to_datetime(pd.to_numeric(merged["Postdate"]), unit="s", utc=True)
        for column in ("Longitude", "Latitude", "Geoaccuracy"):
            merged[column] = pd.to_numeric(merged[column], errors="coerce")
        merged["tags"] = merged["Alltags"].str.split()
        for column in ("photo_firstdate", "photo_firstdatetaken"):
            merged[column] = pd.to_datetime(merged[column], utc=True, errors="coerce")
        for column in ("photo_count", "ispro"):
            merged[column] = pd.to_numeric(merged[column], errors="coerce")
        label = folder / "train_label.txt"
        if name == "train":
            merged["popularity"] = pd.to_numeric(pd.Series(label.read_text().split()))
        merged["image"] = (folder / f"{name}_img_filepath.txt").read_text().split("\n")[: len(merged)]
        parts.append(merged)
    return len(pd.concat(parts))


def measured(side: str, raw: Path) -> dict[str, float]:
    """Seconds from the first file to the table, and peak memory of the process in GB."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--side", side, "--raw", str(raw)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


@click.command()
@click.option("--posts", default=305_613, show_default=True)
@click.option("--runs", default=3, show_default=True)
@click.option("--side", type=click.Choice(["popcast", "pandas"]), hidden=True)
@click.option("--raw", type=click.Path(path_type=Path), hidden=True)
def main(posts: int, runs: int, side: str | None, raw: Path | None) -> None:
    if side:
        work = {"popcast": with_popcast, "pandas": with_pandas}[side]
        for library in ("pandas", "polars", "popcast.datasets.smpd"):  # imports are not what is compared
            importlib.import_module(library)
        start = time.perf_counter()
        count = work(raw)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"posts": count, "seconds": seconds, "gigabytes": peak}))
        return
    from popcast.datasets.sample import generate

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "smpd"
        values = {"posts": posts, "users": max(posts // 5, 10), "unlabelled": posts // 10, "media": False}
        generate("smpd", values, 0, raw, Path(folder) / "hidden.csv")
        ratios = []
        for _ in range(runs):
            ours, plain = measured("popcast", raw), measured("pandas", raw)
            assert ours["posts"] == plain["posts"]
            ratios.append(plain["seconds"] / ours["seconds"])
            print(
                f"{ours['posts']} generated posts: popcast {ours['seconds']:.1f} s, {ours['gigabytes']:.2f} GB; "
                f"json and pandas {plain['seconds']:.1f} s, {plain['gigabytes']:.2f} GB; ratio {ratios[-1]:.1f}"
            )
        print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.1f}")


if __name__ == "__main__":
    main()
