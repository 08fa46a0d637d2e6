"""What the examples share: finding the files of a data set, and calling the product's commands as a user would."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

MANAGE = Path(__file__).resolve().parent.parent / "manage.py"


def asked(name: str, about: str | None) -> argparse.Namespace:
    """The folder of the data set and how to answer, from the command line."""
    arguments = argparse.ArgumentParser(prog=f"examples/{name}/run", description=about)
    arguments.add_argument("folder", type=Path, help="where the files of the data set are")
    arguments.add_argument("--json", action="store_true", help="print one line of JSON")
    return arguments.parse_args()


def find(folder: Path, name: str) -> Path:
    """The file, plain or gzipped."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    sys.exit(f"There is no {name} (or {name}.gz) in {folder}.")


def bring(kind: str, file: Path, source: str, mapping: list[str]) -> dict[str, Any]:
    """Import a file by the product's command; its counts."""
    words = [word for pair in mapping for word in ("--map", pair)]
    return manage("import_csv", kind, file, "--source", source, *words, "--json")


def bring_first(kind: str, file: Path, source: str, mapping: list[str]) -> None:
    """The same into an installation that nobody is in yet: every row must be somebody new."""
    brought = bring(kind, file, source, mapping)
    if brought["created"] != brought["rows"]:
        sys.exit("This installation has people already: start from an empty one (PERENNIAL_DATA names its folder).")


def manage(*words: str | Path) -> dict[str, Any]:
    """One command of the product; its last line as JSON, if it speaks JSON."""
    done = subprocess.run([sys.executable, MANAGE, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"manage.py {words[0]} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) if "--json" in words else {}
