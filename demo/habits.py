"""What a marketer of the company has set up in two years: kinds described, segments kept, a form on the website."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

from audience import segments
from audience.activity import kinds
from audience.activity.kinds import IN, OUT, Proposal
from audience.models import ActivityKind, Form, Segment
from audience.webforms import asking, editing
from kit.models import User

HERE = Proposal("website", IN, False, True, 10)
RAISED = Proposal("website", IN, True, True, 90)
TERMS = Proposal("", "")  # entries of the books, which nobody did
# By slug; what a kind is called is enough for the others (`kinds.proposal`).
KINDS = {
    "calculator_used": Proposal("website", IN, False, True, 30),
    "cart_filled": Proposal("website", IN, False, True, 60),
    "cart_reminder": Proposal("sms", OUT),
    "deal_registered": Proposal("partner", IN, True, True, 80),
    "deal_supported": Proposal("partner", IN, False, True, 60),
    "disqualified": TERMS,
    "first_sensor_live": Proposal("product", IN, False, True, 20),
    "joint_call": Proposal("phone", "", False, True, 50),
    "club_joined": HERE,
    "letter_sent": Proposal("mail", OUT),
    "meeting_requested": RAISED,
    "message_sent": Proposal("social", OUT),
    "name_bought": TERMS,
    "newsletter_joined": Proposal("website", IN, True, True, 20),
    "offer_made": Proposal("phone", OUT),
    "partner_call": Proposal("phone", OUT, False, False, 10),
    "product_viewed": HERE,
    "put_off": TERMS,
    "quote_requested": RAISED,
    "renewal_window_opened": TERMS,
    "shop_discount": Proposal("email", OUT),
    "signed_in": Proposal("product", IN, False, True, 10),
    "term_started": TERMS,
}
SEGMENTS = (
    (
        "MQLs nobody has called",
        "person",
        {
            "all": [
                {"field": "stage.net_new", "op": "is", "value": "mql"},
                {"field": "activity.count", "where": {"kind": "sales_call"}, "days": 30, "op": "equals", "value": 0},
            ]
        },
    ),
    (
        "Engaged utilities without the guide",
        "person",
        {
            "all": [
                {"field": "stage.net_new", "op": "is", "value": "engaged"},
                {"field": "account.industry", "op": "is", "value": "Utilities"},
                {"field": "activity.count", "where": {"kind": "guide_downloaded"}, "op": "equals", "value": 0},
            ]
        },
    ),
    (
        "Terms that end within a quarter",
        "account",
        {"field": "contract.term_ends", "op": "within_next_days", "value": 90},
    ),
)
FORM = "Talk to us"


def describe(*, by: User | None, now: datetime) -> None:
    """Say what each kind is that nobody has described yet."""
    for kind in ActivityKind.objects.filter(described_at=None).order_by("slug"):
        told = KINDS.get(kind.slug) or kinds.proposal(kind)
        values: dict[str, Any] = {"label": kinds.name(kind)} | dataclasses.asdict(told)
        kinds.describe(kind, values, by=by, now=now)


def keep(*, by: User | None, now: datetime) -> None:
    """The segments and the form, as far as they are not there yet."""
    for name, of, condition in SEGMENTS:
        if not Segment.objects.filter(name=name).exists():
            segments.create(name, of=of, condition=condition, by=by, now=now)
    if not Form.objects.filter(name=FORM).exists():
        form, asked = editing.create(FORM, by=by, now=now), asking.starter(FORM)
        more = (asking.Question("title"), asking.Question("country"))
        asked = dataclasses.replace(asked, questions=(*asked.questions, *more))
        editing.change(form, name=FORM, asked=asked, by=by, now=now)
        editing.publish(form, by=by, now=now)
