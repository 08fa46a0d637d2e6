"""Runs workloads: bin/bench W1 W2 [--people N] [--activities N] [--repeats N] [--json]. It works in a database of its own."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import django

WORKLOADS = sorted(path.stem.upper() for path in Path(__file__).parent.glob("w[0-9]*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument(
        "workloads", nargs="+", type=str.upper, choices=WORKLOADS, metavar="W", help=", ".join(WORKLOADS)
    )
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=100_000, help="of the workloads that send")
    parser.add_argument("--activities", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3, help="of ours and of the reference, taking turns")
    parser.add_argument("--json", action="store_true", help="one line of JSON per figure")
    wanted = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import connection

    connection.settings_dict["TEST"]["NAME"] = f"bench_{connection.settings_dict['NAME']}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        for name in wanted.workloads:
            workload = importlib.import_module(f"bench.{name.lower()}")
            number = getattr(wanted, getattr(workload, "COUNTS", "people"))
            for figure in workload.run(number, wanted.activities, wanted.repeats):
                show({"workload": name, **figure}, as_json=wanted.json)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    return 0


def show(figure: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figure), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
