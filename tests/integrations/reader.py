"""A copy kept by another system: a process that reads the change feed on and on, until it is killed."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from pathlib import Path


def main(address: str, key: str, folder: Path) -> None:
    """Keep the rows of each page, then its cursor; in that order, so that whoever is killed reads a page again."""
    place = folder / "cursor"
    while True:
        cursor = f"&cursor={place.read_text()}" if place.exists() else ""
        asked = urllib.request.Request(f"{address}?limit=3{cursor}", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            page = json.load(answer)
        with (folder / "rows").open("a") as rows:
            rows.writelines(json.dumps(each) + "\n" for each in page["results"])
            rows.flush()
            os.fsync(rows.fileno())
        (folder / "next").write_text(page["cursor"])
        (folder / "next").replace(place)
        if not page["more"]:
            (folder / "reached").write_text(page["cursor"])
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
