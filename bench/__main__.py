"""Runs workloads, in a database of its own.

bin/bench W1 W2 [--people N] [--activities N] [--repeats N] [--keep] [--json]
bin/bench growth W5 --people N     at a hundredth of N, a tenth, and N, and how the time grows
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

from bench import measuring

WORKLOADS = sorted((path.stem.upper() for path in Path(__file__).parent.glob("w[0-9]*.py")), key=lambda w: int(w[1:]))
PARTS = (100, 10, 1)  # of the size at which growth ends
EACH = 10  # activities of a person, where their number is not said


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bin/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workloads", nargs="+", type=str.upper, metavar="W", help=", ".join(WORKLOADS))
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=100_000, help="of the workloads that send")
    parser.add_argument("--activities", type=int, help=f"{EACH} of each person unless said")
    parser.add_argument("--repeats", type=int, default=3, help="of ours and of the reference, taking turns")
    parser.add_argument("--keep", action="store_true", help="the database, for a next run of the same size")
    parser.add_argument("--json", action="store_true", help="one line of JSON per figure")
    wanted = parser.parse_args()
    growing = wanted.workloads[0] == "GROWTH"
    names = wanted.workloads[growing:]
    if unknown := [name for name in names if name not in WORKLOADS]:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(WORKLOADS)}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = f"bench_{connection.settings_dict['NAME']}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False, keepdb=wanted.keep)
    with connection.cursor() as cursor:  # workloads begin with empty tables, ledgers among them
        cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" SET perennial.emptying = on')
        cursor.execute("SET perennial.emptying = on")
    try:
        for name in names:
            for figure in _grow(name, wanted) if growing else _run(name, wanted):
                show({"workload": name, **figure}, as_json=wanted.json)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0, keepdb=wanted.keep)
    return 0


def _run(name: str, wanted: argparse.Namespace, size: int | None = None) -> Iterator[dict[str, Any]]:
    workload = importlib.import_module(f"bench.{name.lower()}")
    number = size or getattr(wanted, getattr(workload, "COUNTS", "people"))
    return workload.run(number, wanted.activities or number * EACH, wanted.repeats)


def _grow(name: str, wanted: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The figures of each size, and of each case the power of the size that our time grows with."""
    sizes = [wanted.people // part for part in PARTS]
    seconds: dict[str, list[float]] = defaultdict(list)
    for size in sizes:
        for figure in _run(name, wanted, size):
            yield figure
            seconds[figure.get("case", "")].append(figure["ours_s"])
    for case, took in seconds.items():
        yield {"case": case, "people": sizes, "ours_s": took, "exponent": measuring.exponent(sizes, took)}


def show(figure: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figure), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
