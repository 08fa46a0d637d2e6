"""What the company says today: a nurture series that runs, and a welcome that is ready to be launched.

Both are made by the verbs that the pages call. Nothing leaves this machine: mail goes into the built-in mailbox.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from audience import consent, live
from campaigns import entry, plans, senders, starters
from campaigns.models import Campaign, Sender
from campaigns.starters import Proposal
from demo.company import USERS
from kit import yamlfiles
from kit.models import User
from lifecycle.ledger import stages
from lifecycle.models import Lifecycle

SERIES = Path(__file__).resolve().parent / "documents" / "explore_series.yaml"
WRITER = USERS[0]
WELCOME = "known"


def begin(*, by: User | None, now: datetime) -> None:
    """The sender and both campaigns; what is there already is left alone."""
    consent.ensure_defaults(now)
    if not Sender.objects.filter(address=WRITER.email).exists():
        senders.create(f"{WRITER.name}, Marlow Creek", WRITER.email, is_default=True, by=by, now=now)
    lifecycle = Lifecycle.objects.get(slug="net_new")
    told = yamlfiles.read(SERIES.read_text())
    if not Campaign.objects.filter(name=told["name"]).exists():
        _run(lifecycle, told, by, now)
    welcome = starters.proposal(lifecycle, WELCOME)
    if welcome and not welcome.has:
        starters.start(welcome, by=by, now=now)


def _run(lifecycle: Lifecycle, told: dict[str, Any], by: User | None, now: datetime) -> None:
    """Start the series for those who came to its stage lately, and for everybody who will."""
    version = stages.live_version(lifecycle)
    assert version is not None  # the lifecycle is published before anything is said in it
    stage = version.stages.get(slug=told["stage"])
    proposal = Proposal(lifecycle, stage, told["kind"], told["name"], "", told["steps"], told["holdout"])
    campaign = starters.start(proposal, by=by, now=now)
    draft = plans.draft_of(campaign, by=by, now=now)
    lately = {"field": f"stage.{lifecycle.slug}.days_in", "op": "at_most", "value": told["days"]}
    plans.change(draft, by=by, now=now, present=True, audience=lately)
    plans.launch(draft, confirmed=entry.count(draft, at=now + live.INSTANT), by=by, now=now)
