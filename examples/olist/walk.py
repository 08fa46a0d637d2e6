"""Imports the two Olist files by the product's commands, publishes the lifecycle beside it, prints its funnel."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from config import embedded
from examples import walking

HERE = Path(__file__).resolve().parent
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
    wanted = walking.asked("olist", __doc__)
    leads = walking.find(wanted.folder, "olist_marketing_qualified_leads_dataset.csv")
    deals = walking.find(wanted.folder, "olist_closed_deals_dataset.csv")
    with embedded.database():
        walking.manage("prepare")
        walking.bring_first("people", leads, "olist", LEADS)
        walking.bring("deals", deals, "olist", DEALS)
        walking.manage("publish_lifecycle", HERE / "lifecycle.yaml", "--json")
        funnel = walking.manage("funnel", LIFECYCLE, "--split", "person.source", "--json")
    figures = summary(funnel)
    print(json.dumps(figures) if wanted.json else table(figures))
    return 0


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
