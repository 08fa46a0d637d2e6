"""Imports the two Olist files by the product's commands, publishes the lifecycle beside it, prints its funnel."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from config import embedded

HERE = Path(__file__).resolve().parent
MANAGE = HERE.parent.parent / "manage.py"
LIFECYCLE = "olist_sellers"

LEADS = [
    "mql_id=external_id",
    "first_contact_date=first_seen",
    "origin=source",
]
DEALS = [
    "seller_id=external_id",
    "mql_id=person_external_id",
    "won_date=closed",
    "status==won",
]


def main() -> int:
    arguments = argparse.ArgumentParser(prog="examples/olist/run", description=__doc__)
    arguments.add_argument("folder", type=Path, help="where the two files of the data set are")
    arguments.add_argument("--json", action="store_true", help="print one line of JSON")
    wanted = arguments.parse_args()
    leads = find(wanted.folder, "olist_marketing_qualified_leads_dataset.csv")
    deals = find(wanted.folder, "olist_closed_deals_dataset.csv")
    with embedded.database():
        manage("prepare")
        brought = manage("import_csv", "people", leads, "--source", "olist", *mapped(LEADS), "--json")
        if brought["created"] != brought["rows"]:
            sys.exit("This installation has people already: start from an empty one (PERENNIAL_DATA names its folder).")
        manage("import_csv", "deals", deals, "--source", "olist", *mapped(DEALS), "--json")
        manage("publish_lifecycle", HERE / "lifecycle.yaml", "--json")
        funnel = manage("funnel", LIFECYCLE, "--split", "person.source", "--json")
    figures = summary(funnel)
    print(json.dumps(figures) if wanted.json else table(figures))
    return 0


def find(folder: Path, name: str) -> Path:
    """The file, plain or gzipped."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    sys.exit(f"There is no {name} (or {name}.gz) in {folder}.")


def mapped(pairs: list[str]) -> list[str]:
    return [word for pair in pairs for word in ("--map", pair)]


def manage(*words: str | Path) -> dict[str, Any]:
    """One command of the product; its last line as JSON, if it speaks JSON."""
    done = subprocess.run([sys.executable, MANAGE, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"manage.py {words[0]} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1]) if "--json" in words else {}


def summary(funnel: dict[str, Any]) -> dict[str, Any]:
    """The figures of the funnel under the names that the README promises."""
    days = funnel["first_to_won_days"]
    return {
        "leads": funnel["entered"],
        "won": funnel["won"],
        "conversion": funnel["conversion"],
        "by_origin": {
            each["bucket"]: {"leads": each["entered"], "won": each["won"]} for each in funnel["split"]["buckets"]
        },
        "median_days": int(days["median"]) if days["median"] % 1 == 0 else days["median"],
        "won_before_first_contact": days["negative"],
    }


def table(figures: dict[str, Any]) -> str:
    rows = [f"{'origin':20} {'leads':>7} {'won':>5} {'share':>8}"]
    for origin, found in {**figures["by_origin"], "all": figures}.items():
        share = found["won"] / found["leads"]
        rows.append(f"{origin:20} {found['leads']:7,} {found['won']:5,} {share:8.3%}")
    rows.append(f"median {figures['median_days']} days from first contact to won")
    rows.append(f"{figures['won_before_first_contact']} won before its first contact")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
