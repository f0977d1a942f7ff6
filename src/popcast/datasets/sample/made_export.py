"""A made-up export of posts as one csv, to try popcast with.

``python -m popcast.datasets.sample.made_export posts.csv [POSTS]`` writes it. Likes follow the account, its followers,
words of the caption and the hour, with noise; all names and texts are invented.
"""

from __future__ import annotations

import csv
import io
import math
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from popcast.core.safety.whole_files import write_whole

COLUMNS = ("post_id", "username", "created_at", "caption", "hashtags", "followers", "likes", "comments")
LIFT = {"goal": 2.0, "final": 1.5, "sunset": 1.0, "kitten": 1.0, "coffee": 0.0, "monday": -1.0, "parking": -2.0}
"""Word -> what it adds to log2 of the likes."""
TAGS = ("sport", "nature", "cats", "daily")
ACCOUNTS = 30
START = datetime(2025, 1, 1, tzinfo=UTC)
NOISE = 0.6


def write_export(path: Path, posts: int = 600, unpublished: int = 20, seed: int = 7) -> None:
    """Write ``posts`` rows, oldest first; the last ``unpublished`` ones have neither likes nor comments.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_export(Path(folder) / "posts.csv", posts=3, unpublished=1)
    ...     lines = (Path(folder) / "posts.csv").read_text().splitlines()
    >>> lines[0]
    'post_id,username,created_at,caption,hashtags,followers,likes,comments'
    >>> lines[3].endswith(",,")
    True
    """
    draw = random.Random(seed)
    followers = {f"account_{number:02}": int(10 ** draw.uniform(2, 5)) for number in range(ACCOUNTS)}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number in range(posts):
        author = draw.choice(sorted(followers))
        words = draw.sample(sorted(LIFT), 3)
        time = START + timedelta(minutes=37 * number * 10 + draw.randrange(300))
        tags = " ".join(f"#{tag}" for tag in draw.sample(TAGS, draw.randrange(3)))
        mean = math.log2(followers[author]) / 2 + sum(LIFT[word] for word in words) + (time.hour >= 18)
        likes = max(0, round(2 ** (mean + draw.gauss(0, NOISE))))
        counts = ("", "") if number >= posts - unpublished else (likes, likes // 12)
        rows.writerow(
            [f"p{number:05}", author, f"{time:%Y-%m-%d %H:%M}", " ".join(words), tags, followers[author], *counts]
        )
    write_whole(text.getvalue().encode("utf-8"), path)


if __name__ == "__main__":
    write_export(Path(sys.argv[1] if len(sys.argv) > 1 else "posts.csv"), *map(int, sys.argv[2:3]))
