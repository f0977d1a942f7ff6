"""A small export as a German page's tool writes it: semicolons, cp1252, days before months, counts as shown."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

HEADER = ["Beitrags-ID", "Seite", "Veröffentlicht am", "Beitragstext", "Abonnenten", "Gefällt mir", "Permalink"]


def shown(count: int) -> str:
    """A count as a German page shows it."""
    text = f"{count / 1000:.1f} Tsd." if count >= 10_000 else f"{count:,}"
    return text.replace(",", ";").replace(".", ",", 1).replace(";", ".") if count >= 10_000 else text.replace(",", ".")


def german(file: Path, posts: int = 90, unpublished: int = 5, outcomes: bool = True) -> Path:
    """An export with semicolons in cp1252; the last posts have no likes yet."""
    start = datetime(2025, 1, 3, 9, 41)
    with file.open("w", encoding="cp1252", newline="") as out:
        writer = csv.writer(out, delimiter=";")
        writer.writerow(HEADER if outcomes else [name for name in HEADER if name != "Gefällt mir"])
        for i in range(posts):
            likes = [] if not outcomes else [""] if i >= posts - unpublished else [shown(i * i * 7 % 20_000)]
            when = (start + timedelta(hours=9 * i)).strftime("%d.%m.%Y %H:%M")
            place = f"https://example.org/{file.stem}/{i}"
            writer.writerow([f"{file.stem}{i}", f"Café {i % 4}", when, f"Gruß; Nr. {i}", "17.958", *likes, place])
    return file
