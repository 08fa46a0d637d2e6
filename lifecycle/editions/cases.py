"""Test cases of a lifecycle: a made-up subject with a made-up history must be in the expected stage on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import Account, Activity, ActivityKind, Deal, DealRole, Person, Purchase
from kit import installation
from kit.sql import sql
from lifecycle.engine import replay
from lifecycle.models import Movement, Version

SOURCE = "lifecycle test case"


@dataclass(frozen=True)
class Outcome:
    """What became of one case: where the subject was at the end of the day, and the way it took until then."""

    name: str
    expected: str
    found: str
    on: date
    way: str

    @property
    def passed(self) -> bool:
        return self.expected == self.found

    def __str__(self) -> str:
        return _("“%(name)s”: expected in %(expected)s on %(on)s, was in %(found)s (%(way)s)") % {
            "name": self.name,
            "expected": self.expected,
            "on": self.on,
            "found": self.found,
            "way": self.way or _("never moved"),
        }


def run(version: Version, *, now: datetime) -> list[Outcome]:
    """Play all cases of a version against its rules in one replay; nothing of it remains afterwards."""
    if not version.cases:
        return []
    zone = installation.zone()
    with transaction.atomic():
        subjects = [_subject(version.lifecycle.of, case, zone) for case in version.cases]
        last = max(_day(case["expect"]["on"]) for case in version.cases)
        replay.run(
            version,
            now=now,
            until=installation.midnight(last + timedelta(days=1), zone),
            among=sql("SELECT unnest({}::bigint[]) AS subject_id", [subject.pk for subject in subjects]),
        )
        played = [
            _outcome(version, case, subject.pk, zone) for case, subject in zip(version.cases, subjects, strict=True)
        ]
        transaction.set_rollback(True)
    return played


def _outcome(version: Version, case: dict[str, Any], subject_id: int, zone: ZoneInfo) -> Outcome:
    on = _day(case["expect"]["on"])
    moves = list(
        Movement.objects.filter(
            membership__subject_id=subject_id,
            version=version,
            occurred_at__lt=installation.midnight(on + timedelta(days=1), zone),
        )
        .select_related("to_stage")
        .order_by("membership__pass_number", "seq")
    )
    way = ", ".join(f"{each.to_stage or _('out')} {each.occurred_at.astimezone(zone).date()}" for each in moves)
    found = moves[-1].to_stage.slug if moves and moves[-1].to_stage else "nowhere"
    return Outcome(case.get("name", ""), case["expect"]["stage"], found, on, way)


def _subject(of: str, case: dict[str, Any], zone: ZoneInfo) -> Person | Account:
    values = dict(case.get(of) or {})
    seen = installation.midnight(_day(values.pop("first_seen", case["expect"]["on"])), zone)
    model = Person if of == "person" else Account
    subject = model.objects.create(first_seen_at=seen, created_at=seen, created_source=SOURCE, **values)
    whose = {of: subject}
    for number, entry in enumerate(case.get("activities", [])):
        kind, _new = ActivityKind.objects.get_or_create(slug=entry["kind"], defaults={"label": entry["kind"]})
        told = {key: value for key, value in entry.items() if key not in ("kind", "on")}
        Activity.objects.create(kind=kind, **whose, **told, **_dated(subject, number, entry["on"], zone))
    for number, entry in enumerate(case.get("purchases", [])):
        Purchase.objects.create(amount=entry.get("amount"), **whose, **_dated(subject, number, entry["on"], zone))
    for number, entry in enumerate(case.get("deals", [])):
        _deal(subject, number, entry, zone)
    return subject


def _dated(subject: Person | Account, number: int, day: str, zone: ZoneInfo) -> dict[str, Any]:
    when = _noon(day, zone)
    return {"occurred_at": when, "recorded_at": when, "source": SOURCE, "external_id": f"{subject.pk}/{number}"}


def _deal(subject: Person | Account, number: int, entry: dict[str, Any], zone: ZoneInfo) -> None:
    closed = _noon(entry["closed"], zone) if "closed" in entry else None
    opened = _noon(entry["opened"], zone) if "opened" in entry else closed or _noon(entry["on"], zone)
    deal = Deal.objects.create(
        status=entry.get("status", Deal.Status.OPEN),
        amount=entry.get("amount"),
        account=subject if isinstance(subject, Account) else None,
        opened_at=opened,
        closed_at=closed,
        recorded_at=opened,
        source=SOURCE,
        external_id=f"{subject.pk}/{number}",
    )
    if isinstance(subject, Person):
        DealRole.objects.create(deal=deal, person=subject)


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _noon(text: str, zone: ZoneInfo) -> datetime:
    """Noon of a day, so that a history written in days lies inside them in every zone."""
    return installation.midnight(_day(text), zone) + timedelta(hours=12)
