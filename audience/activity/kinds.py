"""The catalogue of kinds of activities: what each is called, what it counts for, and who asks for it.

Files and programs make a kind by naming it; it counts for nothing more than having happened until somebody describes
it here. Its slug, by which conditions and programs call it, stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience import live
from audience.activity import channels
from audience.activity.activities import slug_of
from audience.conditions import registry, uses
from audience.models import Activity, ActivityKind
from kit import audit
from kit.models import User
from kit.sql import rows, sql

COUNTS = ("is_response", "is_engagement", "intent")  # what conditions ask of a kind
FIELDS = ("label", "channel", "direction", *COUNTS)
MOST_INTENT = 100


class Refused(ValueError):
    """What cannot be done to a kind, in the user's words."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Proposal:
    """What a kind probably is, by the words of its slug."""

    channel: str = ""
    direction: str = ""
    is_response: bool = False
    is_engagement: bool = False
    intent: int = 0


IN, OUT = Activity.Direction.INBOUND.value, Activity.Direction.OUTBOUND.value
# The first whose words are in the slug. How much each says of the wish to buy is our own order, to be corrected by use.
PROPOSALS: Sequence[tuple[str, Proposal]] = (
    (r"unsubscri|opt_?out|bounc|complain|spam", Proposal("email", "")),
    (r"e?mail_sent|e?mail_delivered|sent_e?mail|newsletter_sent", Proposal("email", OUT)),
    (r"e?mail.*(repl|answer)|(repl|answer).*e?mail", Proposal("email", IN, True, True, 40)),
    (r"e?mail.*open|open.*e?mail", Proposal("email", "", False, False, 2)),
    (r"e?mail.*click|click.*e?mail|link_click", Proposal("email", IN, True, True, 10)),
    (
        r"demo|trial|quote|offer_request|pricing_request|request_.*(price|offer)",
        Proposal("website", IN, True, True, 90),
    ),
    (r"contact_(us|form)|contact_request|talk_to_sales|callback", Proposal("website", IN, True, True, 80)),
    (r"webinar", Proposal("webinar", IN, True, True, 35)),
    (r"trade_?show|booth|conference|fair|event", Proposal("event", IN, True, True, 30)),
    (r"meeting|visit_on_site|appointment", Proposal("meeting", "", True, True, 60)),
    (r"call|phone", Proposal("phone", "", False, True, 40)),
    (r"chat", Proposal("chat", IN, True, True, 40)),
    (r"sms|text_message", Proposal("sms", "", False, False, 5)),
    (r"review|rating|nps|survey", Proposal("review", IN, True, True, 10)),
    (r"communit|forum|post|comment", Proposal("community", IN, False, True, 10)),
    (r"referral|referred|recommend", Proposal("referral", IN, True, True, 30)),
    (r"pric", Proposal("website", IN, False, True, 60)),
    (r"download|whitepaper|white_paper|guide|ebook|case_study", Proposal("website", IN, True, True, 25)),
    (r"form|signup|sign_up|regist|subscri", Proposal("website", IN, True, True, 30)),
    (r"login|logged_in|usage|used|feature|session|sensor_live", Proposal("product", IN, False, True, 15)),
    (r"page|visit|view|website|web", Proposal("website", IN, False, True, 5)),
    (r"letter|brochure|catalog|postcard", Proposal("mail", OUT)),
    (r"e?mail", Proposal("email", "")),
)


def proposal(kind: ActivityKind) -> Proposal:
    """What to propose for a kind that nobody has described; nothing where its words say nothing."""
    slug = kind.slug.replace("-", "_").casefold()
    return next((each for words, each in PROPOSALS if re.search(words, slug)), Proposal())


def labels() -> dict[str, str]:
    """What kinds are called in sentences, by slug: those that have a label of their own."""
    return {slug: label for slug, label in ActivityKind.objects.values_list("slug", "label") if label not in ("", slug)}


def ensure(
    slug: str, label: str, *, channel: str, direction: str = "", is_response: bool = False, is_engagement: bool = False,
    intent: int = 0, now: datetime,
) -> None:  # fmt: skip
    """What a kind of our own is called and means, unless somebody has described it already. Safe to repeat."""
    told = {
        "label": label, "channel": channel, "direction": direction, "is_response": is_response,
        "is_engagement": is_engagement, "intent": intent, "described_at": now,
    }  # fmt: skip
    made, new = ActivityKind.objects.get_or_create(slug=slug, defaults=told)
    if not new and made.described_at is None:  # a file, or a first activity, was faster
        kept = {} if made.label in ("", made.slug) else {"label": made.label}
        ActivityKind.objects.filter(pk=made.pk).update(**told | kept)


@transaction.atomic
def define(values: Mapping[str, Any], *, slug: str = "", by: User | None, now: datetime) -> ActivityKind:
    """A new kind, described from the first day; its slug is made of the label unless it is given. Raises Refused."""
    told = _checked(values, None)
    wanted = slug_of(slug or told["label"])
    made, new = ActivityKind.objects.get_or_create(slug=wanted, defaults=told | {"described_at": now})
    if not new:
        said = _("There is a kind called “%(slug)s” already. Describe that one.") % {"slug": wanted}
        raise Refused(said, "slug" if slug else "label")
    audit.record("kind.define", str(made), by=by, now=now, after=_told(made))
    return made


@transaction.atomic
def describe(kind: ActivityKind, values: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Say what a kind is. Whoever is judged by it is judged anew. False when nothing differs. Raises Refused."""
    held = ActivityKind.objects.select_for_update(no_key=True).get(pk=kind.pk)
    told = _checked({each: getattr(held, each) for each in FIELDS} | dict(values), held)
    if held.described_at and all(getattr(held, each) == told[each] for each in FIELDS):
        return False
    before, counted = _told(held), any(getattr(held, each) != told[each] for each in COUNTS)
    for each in FIELDS:
        setattr(held, each, told[each])
    held.described_at = held.described_at or now
    held.save(update_fields=[*FIELDS, "described_at"])
    if counted:
        for of in ("person", "account"):
            live.mark(sql(f"SELECT DISTINCT {of}_id AS subject_id FROM audience_activity "
                          f"WHERE kind_id = {{}} AND {of}_id IS NOT NULL", held.pk))  # fmt: skip
    audit.record("kind.describe", str(held), by=by, now=now, before=before, after=_told(held))
    return True


@transaction.atomic
def remove(kind: ActivityKind, *, by: User | None, now: datetime) -> None:
    """Take a kind away of which nothing has happened and that nobody asks for. Raises Refused."""
    if asked := users(kind):
        told = ", ".join(str(each) for each in asked[:5])
        raise Refused(_("It is asked for by: %(users)s. Change that first.") % {"users": told})
    if number := counts([kind.pk])[kind.pk]:
        told = ngettext("%(n)s activity is of it.", "%(n)s activities are of it.", number) % {"n": f"{number:,}"}
        raise Refused(told + " " + _("What happened is never deleted; give the kind another name instead."))
    audit.record("kind.remove", str(kind), by=by, now=now, before=_told(kind))
    kind.delete()


def users(kind: ActivityKind) -> list[uses.Use]:
    """Every kept condition, and scoring rule, that asks for it."""
    return uses.of_kind(kind.slug)


def counts(pks: Sequence[int]) -> dict[int, int]:
    """How many activities there are of each of these kinds; one scan for all of them."""
    counted = sql("SELECT kind_id, count(*) FROM audience_activity WHERE kind_id = ANY ({}) GROUP BY 1", list(pks))
    return dict.fromkeys(pks, 0) | dict(rows(counted))


def name(kind: ActivityKind) -> str:
    """What a kind is called; one that a file brought without a label is called by its slug, written as words."""
    if kind.label not in ("", kind.slug):
        return kind.label
    words = registry.words(kind.slug).strip()
    return words[:1].upper() + words[1:]


def _checked(values: Mapping[str, Any], kind: ActivityKind | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "channel": "",
        "direction": "",
        "is_response": False,
        "is_engagement": False,
        "intent": 0,
    } | dict(values)
    told["label"] = " ".join(str(told["label"]).split())
    told["channel"] = channels.normal(str(told["channel"]))
    if not told["label"]:
        raise Refused(_("Say what it is called."), "label")
    is_new = kind is None or kind.label != told["label"]  # two that files brought may be called the same
    others = ActivityKind.objects.exclude(pk=kind.pk) if kind else ActivityKind.objects.all()
    if is_new and others.filter(label__iexact=told["label"]).exists():
        raise Refused(_("There is a kind called “%(label)s” already.") % {"label": told["label"]}, "label")
    if not 0 <= told["intent"] <= MOST_INTENT:
        raise Refused(_("Intent is a number from 0 to %(most)s.") % {"most": MOST_INTENT}, "intent")
    return {each: told[each] for each in FIELDS}


def _told(kind: ActivityKind) -> dict[str, Any]:
    return {"slug": kind.slug} | {each: getattr(kind, each) for each in FIELDS}
