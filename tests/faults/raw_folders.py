"""Small valid raw folders of every kind that popcast reads: what the fuzz mutates.

Each is a :class:`Input`: a function that writes files below a folder, and the plan of the stage that reads them.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import polars as pl

from popcast.datasets.sample import generate

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("src", "popcast", "simulation", "audience", "persona_lists.json")

COLUMNS = {
    "id": "id",
    "author": "page",
    "time": "when",
    "text": ["text"],
    "tags": "tags",
    "category": "kind",
    "media": "file",
    "numbers": ["length"],
    "author_numbers": ["fans"],
    "posthoc": ["likes"],
    "label": "plays",
}
NAMES = ("id", "page", "when", "text", "tags", "kind", "file", "length", "fans", "likes", "plays")
ROWS = 24


@dataclass(frozen=True)
class Input:
    """A kind of raw folder. write: makes it in a folder. settings: of the plan of ``stage``, with the folder's name."""

    stage: str
    write: Callable[[Path], None]
    settings: Callable[[str], dict[str, Any]]


def rows() -> list[dict[str, str]]:
    """Posts of a table, all as text: days in a row, tags as JSON and as Python prints them, blanks here and there."""
    found = []
    for row in range(ROWS):
        tags = [f"t{row % 5}", "it's"]
        values = (
            f"p{row}", f"a{row % 4}", f"2020-{row % 6 + 1:02}-0{row % 9 + 1} 12:00:00", f"word {row}, and more",
            str(tags) if row % 2 else json.dumps(tags), ("video", "photo", "")[row % 3],
            f"m/{row}.jpg" if row % 3 else "", str(row % 7), str(1000 + row), str(row), str(row * 3),
        )  # fmt: skip
        found.append(dict(zip(NAMES, values, strict=True)))
    return found


def write_table(folder: Path, name: str) -> None:
    """The rows as the kind of file that the name says, and a second file without outcomes."""
    for file, own in ((name, rows()), (f"new_{name}", [{**row, "id": row["id"] + "n"} for row in rows()[:6]])):
        content = table_bytes(file.removesuffix(".gz").removesuffix(".zip"), own)
        if file.endswith(".zip"):
            with zipfile.ZipFile(folder / file, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr("posts.csv", content)
            continue
        (folder / file).write_bytes(gzip.compress(content, mtime=0) if file.endswith(".gz") else content)


def table_bytes(file: str, own: list[dict[str, str]]) -> bytes:
    """Content of a table of the kind that the name of the file says; ``german.csv``: as a spreadsheet writes there."""
    table = pl.DataFrame(own)
    lengths = [row | {"length": float(row["length"])} for row in own]
    if file.endswith("german.csv"):
        plays = [f"{int(row['plays']) * 1000:,}".replace(",", ".") for row in own]
        german = table.with_columns(plays=pl.Series(plays))
        return german.write_csv(separator=";").replace("word", "Wört").encode("cp1252")
    kind = file.rsplit(".", 1)[1]
    if kind in ("csv", "tsv"):
        return table.write_csv(separator="," if kind == "csv" else "\t").encode()
    if kind in ("jsonl", "ndjson"):
        return b"\n".join(map(orjson.dumps, lengths)) + b"\n"
    if kind == "json":
        return orjson.dumps({"data": lengths} if "object" in file else lengths, option=orjson.OPT_INDENT_2)
    typed = {"length": pl.Float64, "fans": pl.Int64, "likes": pl.Int32, "plays": pl.Int64}
    table = table.with_columns(pl.col(name).cast(kind) for name, kind in typed.items())
    written = io.BytesIO()
    if kind == "parquet":
        table.write_parquet(written)
    else:
        book = openpyxl.Workbook()
        for line in [table.columns, *table.rows()]:
            book.active.append(line)
        book.save(written)
    return written.getvalue()


def write_smp_video(folder: Path) -> None:
    """Train with labels and test without, four files of JSON lines each."""
    for split, count in (("train", 24), ("test", 6)):
        (folder / split).mkdir()
        own = [(f"{split[:2].upper()}{row}", f"U{row % 5}") for row in range(count)]
        size = {"video_height": 1024, "video_width": 576, "video_duration": 63, "video_ratio": "540p"}
        files = {
            "posts": [
                {"pid": pid, "uid": uid, "post_content": "Rainy,walk", "post_location": "RO",
                 "post_suggested_words": ["dogs"], "post_text_language": "en", "video_path": f"{split}/{pid}.mp4",
                 "post_time": f"2023-0{place % 6 + 1}-28 18:21"}
                for place, (pid, uid) in enumerate(own)
            ],
            "users": [
                {"uid": f"U{row}"} | {f"user_{name}_count": row * 7 for name in
                 ("following", "follower", "likes", "video", "digg", "heart", "friend")}
                for row in range(5)
            ],
            "videos": [
                {"vid": f"V{pid}", "pid": pid, "uid": uid, **size, "video_format": "mp4", "music_title": "sound",
                 "music_duration": 60} for pid, uid in own
            ],
            "popularity": [{"pid": pid, "uid": uid, "popularity": 8.5} for pid, uid in own],
        }  # fmt: skip
        for name, records in files.items():
            if split == "train" or name != "popularity":
                text = b"\n".join(map(orjson.dumps, records)) + b"\n"
                (folder / split / f"SMP-Video_anonymized_{name}_{split}.jsonl").write_bytes(text)


def write_smpd(folder: Path, generation: str) -> None:
    """Generated posts with a crawled profile and captions."""
    sample("smpd", folder, posts=50, users=10, unlabelled=5, generation=generation, media=False)
    category = next(folder.glob("train_*/train_category.json"))
    ids = [record["Pid"] for record in orjson.loads(category.read_bytes())]
    lines = "".join(f"{one},a picture of {place}\n" for place, one in enumerate(ids[:20]))
    (folder / "captions.csv").write_text("post_id,caption\n" + lines)


def sample(kind: str, folder: Path, **settings: Any) -> None:
    """A generated raw folder; ``folder`` is replaced."""
    generate(kind, {"kind": kind, **settings}, 1, folder, folder.with_name("hidden.csv"))
    folder.with_name("hidden.csv").unlink()


def write_personas(folder: Path, name: str) -> None:
    people = [f"Ann {letter}" for letter in "ABCDEF"]
    ring = {name: [people[place - 1], people[(place + 1) % 6]] for place, name in enumerate(people)}
    facts = {"age": "30", "gender": "female", "occupation": "baker", "traits": "calm;kind", "interests": "chess"}
    records = [{"name": name, **facts, "relation": str(friends)} for name, friends in ring.items()]
    if name.endswith(".json"):
        lists = [{**one, "age": 30, "relation": ring[one["name"]]} for one in records]
        (folder / name).write_bytes(orjson.dumps(lists, option=orjson.OPT_INDENT_2))
    else:
        (folder / name).write_text(pl.DataFrame(records).write_csv())


def of_posts(kind: str, **more: Any) -> Callable[[str], dict[str, Any]]:
    """Settings of the stage ``posts``."""
    splits = {"method": "published"} if kind == "microlens" else {"method": "chronological", "shares": [0.6, 0.2, 0.2]}
    own = {"kind": kind, "zone": "UTC", "max_reject_share": 0.2, **more}
    return lambda raw: {"seed": 1, "dataset": {**own, "raw": raw}, "splits": splits}


def of_table(name: str) -> Input:
    layout = {"labelled": name, "unlabelled": f"new_{name}", "columns": COLUMNS}
    return Input("posts", lambda folder: write_table(folder, name), of_posts("table", table=layout))


def of_people(kind: str, name: str, write: Callable[[Path], None]) -> Input:
    own = {"kind": kind, "agents": 20, "edges": 2}
    return Input("population", write, lambda raw: {"seed": 1, "population": {**own, "file": f"{raw}/{name}"}})


def write_words(folder: Path) -> None:
    (folder / "words.json").write_bytes(ROOT.joinpath(*WORDS).read_bytes())


def write_ced(folder: Path) -> None:
    from tests.response import test_importing_ced

    test_importing_ced.folder(folder)


def of_responses(kind: str, **cleaning: bool) -> Callable[[str], dict[str, Any]]:
    """Settings of the stage ``response_cases``: invented users, no salt."""
    own = {"kind": kind, "generated": True, "salt_variable": None, "max_reject_share": 0.2}
    parts = {"cleaning": cleaning, "retrieval": {"min_history": 0}, "portraits": {}, "sentiment": {}}
    return lambda raw: {"seed": 1, "generated": True, "set": {**own, "raw": raw}, **parts}


INPUTS: dict[str, Input] = {
    "smpd A": Input("posts", lambda f: write_smpd(f, "A"), of_posts("smpd", profile="profiles.csv")),
    "smpd B": Input("posts", lambda f: write_smpd(f, "B"), of_posts("smpd", captions="captions.csv")),
    "tpic2017": Input("posts", lambda f: sample("tpic2017", f, posts=50, users=8), of_posts("tpic2017")),
    "microlens pairs": Input("posts", lambda f: sample("microlens", f, videos=50, media=False), of_posts("microlens")),
    "microlens comments": Input(
        "posts", lambda f: sample("microlens", f, videos=50, media=False, labels="comments"), of_posts("microlens")
    ),
    "microlens 50k": Input(
        "posts", lambda f: sample("microlens", f, videos=50, media=False, layout="50k"), of_posts("microlens")
    ),
    "microlens csv": Input(
        "posts", lambda f: sample("microlens", f, videos=50, media=False, labels="csv"), of_posts("microlens")
    ),
    "nus": Input("posts", lambda f: sample("nus", f, videos=50, users=8, media=False), of_posts("nus")),
    "smp_video": Input("posts", write_smp_video, of_posts("smp_video")),
    "table csv": of_table("posts.csv"),
    "table csv.gz": of_table("posts.csv.gz"),
    "table jsonl": of_table("posts.jsonl"),
    "table jsonl.gz": of_table("posts.jsonl.gz"),
    "table parquet": of_table("posts.parquet"),
    "table tsv": of_table("posts.tsv"),
    "table ndjson": of_table("posts.ndjson"),
    "table json": of_table("posts.json"),
    "table json object": of_table("object.json"),
    "table xlsx": of_table("posts.xlsx"),
    "table csv.zip": of_table("posts.csv.zip"),
    "table german csv": of_table("german.csv"),
    "personas csv": of_people("table", "personas.csv", lambda f: write_personas(f, "personas.csv")),
    "personas json": of_people("table", "personas.json", lambda f: write_personas(f, "personas.json")),
    "persona lists": of_people("generated", "words.json", write_words),
    "responses collector": Input(
        "response_cases", lambda f: sample("weibo", f, topics=3, ai_topics=1, users=4), of_responses("collector")
    ),
    "responses ced": Input("response_cases", write_ced, of_responses("ced", only_hashtagged=False, blocklist=False)),
}
"""Name of the format -> what is read there."""
