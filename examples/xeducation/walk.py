"""Imports the leads of X Education, publishes the score beside it, and says how well it tells who enrolled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from config import embedded
from examples import walking

HERE = Path(__file__).resolve().parent
LEADS = [
    "Prospect ID=external_id",
    "Lead Source=source",
    "Lead Origin=custom.lead_origin",
    "Do Not Email=custom.do_not_email:yes_no",
    "Converted=custom.converted:number",
    "TotalVisits=custom.total_visits:number",
    "Total Time Spent on Website=custom.time_on_site:number",
    "Last Activity=custom.last_activity",
    "Specialization=custom.specialization",
    "What is your current occupation=custom.occupation",
]
ENROLLED = {"field": "person.custom.converted", "op": "equals", "value": 1}


def main() -> int:
    wanted = walking.asked("xeducation", __doc__)
    leads = walking.find(wanted.folder, "Leads.csv")
    with embedded.database():
        walking.manage("prepare")
        walking.bring_first("people", leads, "xeducation", LEADS)
        walking.manage("publish_scoring", HERE / "scoring.yaml", "--json")
        figures = walking.manage("judge_score", "lead", "--outcome", json.dumps(ENROLLED), "--json")
    print(json.dumps(figures) if wanted.json else table(figures))
    return 0


def table(figures: dict[str, Any]) -> str:
    return "\n".join(
        [
            f"{figures['subjects']:,} leads, {figures['positives']:,} of them enrolled ({figures['rate']:.1%})",
            f"AUC {figures['auc']:.3f}",
            f"limit of {figures['limit']} points: precision {figures['precision']:.1%}, recall {figures['recall']:.1%}",
            f"the best tenth holds {figures['lift_top_tenth']:.2f} times as many as a tenth drawn by lot",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
