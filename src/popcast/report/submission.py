"""The result file of the SMP Challenge, in the order of its test file (specification sheet "Datasets", section 1.10).

The official scorer compares two lists by position without matching ids: the order of rows is part of the format.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import raw_files, smpd


def test_order(raw: Path) -> list[str]:
    """Pids of SMPD's test posts in the order of the test files, which all have the same one."""
    folders = [raw / name.format("test") for name in smpd.FOLDERS]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        raise bad_input("missing folder", file=folders[0], expected="the posts of the challenge's test part")
    file = raw_files.need(folder, [name.format("test") for name in smpd.FILES["category"]])
    return raw_files.json_array(file, ["Pid"])["Pid"].to_list()


def challenge_result(order: list[str], predictions: pl.DataFrame, version: str, external: str | None) -> dict:
    """The JSON object of the challenge, one entry per post of ``order``, scores with four decimals.

    predictions: ``post_id`` and ``prediction``. external: description of external data, None where none was used.
    Raises BadInput for a post without a prediction and for a post that is twice in ``order``.
    """
    wanted = pl.DataFrame({"post_id": order}, schema={"post_id": pl.String})
    twice = wanted.filter(pl.col("post_id").is_duplicated())
    if twice.height:
        raise bad_input("post twice in the test file", field="Pid", value=twice["post_id"][0])
    rows = wanted.join(predictions, on="post_id", how="left", maintain_order="left")
    without = rows.filter(pl.col("prediction").is_null())
    if without.height:
        raise bad_input(f"{without.height} of {rows.height} test posts have no prediction", value=without["post_id"][0])
    scores = zip(rows["post_id"], rows["prediction"], strict=True)
    return {
        "version": version,
        "result": [{"post_id": f"post{pid}", "popularity_score": round(score, 4)} for pid, score in scores],
        "external_data": {"used": "false" if external is None else "true", "details": external or ""},
    }
