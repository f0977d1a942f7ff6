"""What a bundle costs to serve: ready time, memory, single drafts, batches, reasons, and a server with many clients.

    python benchmarks/serving.py smpd                        a dataset of this project whose stage `bundle` has run
    python benchmarks/serving.py FOLDER --posts POSTS.parquet --media FOLDER [--clients 50] [--seconds 60]

Drafts are the posts without a label of the project's table of posts, else those of the test part, under new ids. Beside
each wall clock stands the processor time of the process: on a machine with other work only the latter means anything.
Ratios are to a plain loop over ready features (members, blend and interval alone), and to AutoGluon on the same
columns, where the rivals' environment is there (benchmarks/peers/environment.sh).
"""

from __future__ import annotations

import argparse
import base64
import http.client
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import polars as pl

from popcast.api.passive_waiting import waiting_passively
from popcast.core import paths
from popcast.serving.bundle import bundle_folder
from popcast.serving.forecast import Forecast
from stages import THREADS

PEERS = Path(__file__).resolve().parent / "peers/.venv/bin/python"
"""Python of the rivals' environment."""

FIELDS = {"title": "text", "user_id": "author", "tags": "tags", "category": "category"}
"""Column of the posts -> what a request calls it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("--posts", type=Path, help="table of posts  [the project's]")
    parser.add_argument("--media", type=Path, help="folder of their files  [the project's]")
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="0: no server")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = bundle_folder(given.bundle)
    with waiting_passively():
        forecast = Forecast.load(folder, keep=False)
        forecast.warm()
    wall, cpu = age(), time.process_time()
    print(f"{THREADS} threads, load {os.getloadavg()[0]:.1f} at the start")
    print(f"ready: {wall:.2f} s, {cpu:.2f} s of processor, {resident():.0f} MB")
    media = given.media or Path("data/raw") / given.bundle
    drafts = drafts_of(given.posts or paths.posts(given.bundle))
    drafts = drafts.with_columns(media=existing(drafts, media))
    alone = drafts.with_columns(media=pl.lit(None, pl.List(pl.String)))
    single = singles("single, with picture", given.singles, lambda i: forecast.predict(row(drafts, i), media))
    singles("single, without", given.singles, lambda i: forecast.predict(row(alone, i), media))
    batch(forecast, alone, media)
    plain = plain_loop(forecast, drafts, media, given.singles)
    print(f"ratio of a draft with its picture to a plain loop over ready features: {single / plain:.1f}")
    autogluon(forecast, drafts, media, given.singles, single)
    singles("explain, with words", 5, lambda i: forecast.explain(row(drafts, i), media))
    singles("explain, without", 5, lambda i: forecast.explain(row(drafts, i), media, words=False))
    singles("what-if", 5, lambda i: forecast.what_if(row(drafts, i), media=media))
    print(f"after all this: {resident():.0f} MB, {resident(field='VmHWM'):.0f} MB at most")
    if given.seconds:
        served(folder, requests_of(drafts, media, 64), given.clients, given.seconds)


def drafts_of(file: Path) -> pl.DataFrame:
    """Posts that models have not learned from, without what came of them."""
    posts = pl.read_parquet(file).filter(pl.col("popularity").is_null())
    if not posts.height:
        posts = pl.read_parquet(file).sort("posted_at", "post_id", nulls_last=True)[-1000:]
    names = [name for name in posts.columns if not name.startswith("posthoc_") and name != "popularity"]
    return posts.select(names).with_columns(post_id=pl.lit("draft ") + pl.col("post_id"))


def existing(drafts: pl.DataFrame, media: Path) -> pl.Series:
    """The media of each draft as far as its files are there."""
    found = [[one for one in names or () if (media / one).is_file()] for names in drafts["media"].to_list()]
    return pl.Series("media", found, dtype=pl.List(pl.String))


def row(posts: pl.DataFrame, number: int) -> pl.DataFrame:
    place = number % posts.height
    return posts[place : place + 1]


def singles(what: str, count: int, work: Callable[[int], object]) -> float:
    """Do it ``count`` times, one after the other. Returns the median in seconds of processor."""
    work(count)
    walls, cpus = np.empty(count), np.empty(count)
    for number in range(count):
        wall, cpu = time.perf_counter(), time.process_time()
        work(number)
        walls[number], cpus[number] = time.perf_counter() - wall, time.process_time() - cpu
    p50, p99 = np.quantile(walls, [0.5, 0.99]) * 1000
    c50, c99 = np.quantile(cpus, [0.5, 0.99]) * 1000
    print(f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms; of processor {c50:.1f} and {c99:.1f} ms ({count} times)")
    return float(np.median(cpus))


def batch(forecast: Forecast, drafts: pl.DataFrame, media: Path, count: int = 1000) -> None:
    """New texts: none of them was encoded before."""
    some = pl.concat([drafts] * -(-count // drafts.height))[:count]
    some = some.with_columns(
        title=pl.lit("once more: ") + pl.col("title"), post_id=pl.int_range(pl.len()).cast(pl.String)
    )
    wall, cpu = time.perf_counter(), time.process_time()
    forecast.predict(some, media)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{count} drafts without picture: {wall:.2f} s, {count / wall:.0f} a second; {cpu:.2f} s of processor")


def plain_loop(forecast: Forecast, drafts: pl.DataFrame, media: Path, count: int) -> float:
    prepared = forecast.prepared(drafts[:count])
    features = forecast.features(prepared, media)

    def one(number: int) -> np.ndarray:
        part = slice(number % prepared.height, number % prepared.height + 1)
        posts = prepared[part]
        own = {name: table[part] for name, table in features.items()}
        return forecast.blended(posts, own, *forecast.segments(posts))

    return singles("plain loop, ready features", count, one)


def autogluon(forecast: Forecast, drafts: pl.DataFrame, media: Path, count: int, single: float) -> None:
    """AutoGluon learns the forecasts of the drafts from the numbers and categories that the blocks make of them.

    In the rivals' environment, for its pandas is not popcast's: a row is ready there, of ours nothing is.
    """
    if not PEERS.is_file():
        print("AutoGluon: skipped, it is not installed here (bash benchmarks/peers/environment.sh)")
        return
    prepared = forecast.prepared(drafts)
    tables = [table.drop("post_id") for table in forecast.features(prepared, media).values()]
    wide = pl.concat(tables, how="horizontal").select(~pl.selectors.by_dtype(pl.Array, pl.List))
    wide = wide.with_columns(popularity=pl.Series(forecast.predict(drafts, media)["prediction"].to_numpy()))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ready.parquet"
        wide.write_parquet(file)
        command = [str(PEERS), "-m", "benchmarks.peers.single_row", str(file)]
        options = ["--count", str(min(count, 50)), "--threads", str(THREADS)]
        root = str(PEERS.parents[4])
        done = subprocess.run(
            [*command, *options], env=os.environ | {"PYTHONPATH": root}, cwd=root, stdout=subprocess.PIPE, text=True,
            check=True,
        )  # fmt: skip
    found = orjson.loads(done.stdout.splitlines()[-1])
    for what, name in (("predictor", "all its models"), ("model", found["best"])):
        p50, p99 = np.quantile(found[what]["wall"], [0.5, 0.99])
        c50, c99 = np.quantile(found[what]["processor"], [0.5, 0.99])
        print(
            f"AutoGluon, one ready row of {found['columns']} columns, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
            f"of processor {c50:.1f} and {c99:.1f} ms"
        )
        print(f"ratio of a draft with its picture to AutoGluon's ready row, {name}: {single / (c50 / 1000):.2f}")


def requests_of(drafts: pl.DataFrame, media: Path, count: int) -> list[bytes]:
    """Bodies of ``/forecast``, one draft each, every other one with its picture."""
    found = []
    for number, post in enumerate(drafts[:count].iter_rows(named=True)):
        draft = {new: post[old] for old, new in FIELDS.items() if post.get(old)}
        if post.get("posted_at") is not None:
            draft["time"] = post["posted_at"].isoformat()
        if number % 2 == 0 and post["media"]:
            file = media / post["media"][0]
            draft["picture"] = {"name": file.name, "data": base64.b64encode(file.read_bytes()).decode()}
        found.append(orjson.dumps({"drafts": [draft]}))
    return found


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, int]]:
    """Process and port of a server that is ready."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "popcast.cli", "serve", str(folder), "--port", "0", "--rate", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        print(f"server: {line.strip()} after {time.perf_counter() - start:.1f} s, {resident(process.pid):.0f} MB")
        yield process.pid, int(line.rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait(30)


def served(folder: Path, bodies: list[bytes], clients: int, seconds: float) -> None:
    """``clients`` that ask one draft after the other, all of them for ``seconds``."""
    if importlib.util.find_spec("fastapi") is None:
        print("server: skipped, its libraries are not installed here (pip install popcast[serve])")
        return
    with server(folder) as (process, port):
        answers: Counter[str] = Counter()
        times: list[float] = []
        memory = [resident(process)]
        end = time.perf_counter() + seconds

        def ask(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            while time.perf_counter() < end:
                begun = time.perf_counter()
                try:
                    connection.request(
                        "POST", "/forecast", bodies[number % len(bodies)], {"content-type": "application/json"}
                    )
                    answer = connection.getresponse()
                    answer.read()
                    answers[str(answer.status)] += 1
                except OSError as error:
                    answers[type(error).__name__] += 1
                    connection.close()
                times.append(time.perf_counter() - begun)
                number += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
        cpu = processor(process)
        for thread in threads:
            thread.start()
        while time.perf_counter() < end:
            time.sleep(max(0.1, seconds / 12))
            memory.append(resident(process))
        for thread in threads:
            thread.join()
        p50, p99 = np.quantile(times, [0.5, 0.99])
        used = processor(process) - cpu
        each = len(times) / seconds
        print(f"{clients} clients for {seconds:g} s: {len(times)} answers {dict(answers)}, {each:.1f} a second")
        print(f"waited p50 {p50:.2f} s, p99 {p99:.2f} s; {used / len(times) * 1000:.0f} ms of processor per answer")
        print("memory of the server in MB: " + ", ".join(f"{one:.0f}" for one in memory))


def age() -> float:
    """Seconds since this process began."""
    began = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - began


def resident(process: int | str = "self", field: str = "VmRSS") -> float:
    """MB that a process has in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def processor(process: int) -> float:
    """Seconds of processor that a process has used."""
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
