"""A copy kept by another system: a program that reads the change feed on and on, until it is killed, without a library.

    KEY=… python examples/follow.py https://perennial.example/api/v1/changes/ FOLDER

`FOLDER/rows` gets one line of JSON for each item; `FOLDER/cursor` says where to read on, `FOLDER/reached` that for now
all is there. Keep the rows of a page first and its cursor afterwards: whoever is killed between reads a page again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import urllib.request
from pathlib import Path


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("address")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--limit", type=int, default=200, help="items a page")
    asked.add_argument("--pause", type=float, default=5, help="seconds before asking again when all is there")
    follow(os.environ["KEY"], **vars(asked.parse_args()))


def follow(key: str, address: str, folder: Path, limit: int, pause: float) -> None:
    place = folder / "cursor"
    while True:
        cursor = f"&cursor={place.read_text()}" if place.exists() else ""
        asked = urllib.request.Request(f"{address}?limit={limit}{cursor}", headers={"Authorization": f"Bearer {key}"})
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
            time.sleep(pause)


if __name__ == "__main__":
    main()
