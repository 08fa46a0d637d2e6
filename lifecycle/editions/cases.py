"""Test cases of a lifecycle: a made-up subject with a made-up history must be in the expected stage on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import (
    Account,
    Activity,
    ActivityKind,
    Case,
    Contract,
    ContractAmendment,
    ContractChange,
    Deal,
    DealLine,
    DealRole,
    Person,
    Product,
    Purchase,
)
from kit import installation
from kit.sql import sql
from lifecycle.engine import replay
from lifecycle.models import Movement, Version

SOURCE = "lifecycle test case"
TERMS = {"renews": "renews_on", "notice": "notice_on", "ends": "ends_on", "auto_renew": "auto_renew"}
NO_TERMS: dict[str, Any] = {"renews_on": None, "notice_on": None, "ends_on": None, "auto_renew": False}


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
        bought = _sold(entry, _noon(entry["on"], zone)) | _dated(subject, number, entry["on"], zone)
        Purchase.objects.create(amount=entry.get("amount"), **whose, **bought)
    for number, entry in enumerate(case.get("deals", [])):
        _deal(subject, number, entry, zone)
    for number, entry in enumerate(case.get("contracts", [])):
        _contract(subject, number, entry, zone)
    for number, entry in enumerate(case.get("service_cases", [])):
        _service_case(subject, number, entry, zone)
    return subject


def _dated(subject: Person | Account, number: int, day: str, zone: ZoneInfo) -> dict[str, Any]:
    when = _noon(day, zone)
    return {"occurred_at": when, "recorded_at": when, "source": SOURCE, "external_id": f"{subject.pk}/{number}"}


def _deal(subject: Person | Account, number: int, entry: dict[str, Any], zone: ZoneInfo) -> None:
    closed = _noon(entry["closed"], zone) if "closed" in entry else None
    opened = _noon(entry["opened"], zone) if "opened" in entry else closed or _noon(entry["on"], zone)
    sold = _sold(entry, opened)
    product = sold.pop("product", None)
    deal = Deal.objects.create(
        status=entry.get("status", Deal.Status.OPEN),
        amount=entry.get("amount"),
        account=subject if isinstance(subject, Account) else None,
        opened_at=opened,
        closed_at=closed,
        recorded_at=opened,
        source=SOURCE,
        external_id=f"{subject.pk}/{number}",
        **sold,
    )
    if product is not None:
        DealLine.objects.create(deal=deal, product=product, recorded_at=opened)
    if isinstance(subject, Person):
        DealRole.objects.create(deal=deal, person=subject)


def _contract(subject: Person | Account, number: int, entry: dict[str, Any], zone: ZoneInfo) -> None:
    """A contract as it is in the end, and what its dates were before each change of them."""
    given: dict[str, Any] = {"source": SOURCE, "external_id": f"{subject.pk}/{number}"}
    given["recorded_at"] = _noon(entry["starts"], zone)
    whose: dict[str, Any] = {"person": subject} if isinstance(subject, Person) else {"account": subject}
    terms: list[dict[str, Any]] = [_terms(entry)]
    for each in entry.get("changed", []):
        terms.append(terms[-1] | _terms(each))
    made = Contract.objects.create(
        name=entry.get("product", ""),
        starts_on=entry["starts"],
        annual_value=entry.get("annual_value"),
        **terms[-1],
        **whose,
        **given,
        **_sold(entry, given["recorded_at"]),
    )
    for before, each in zip(terms, entry.get("changed", []), strict=False):
        was = {"starts_on": made.starts_on, "product": made.product}
        ContractChange.objects.create(contract=made, changed_at=_noon(each["on"], zone), **was, **NO_TERMS | before)
    for each in entry.get("amended", []):
        value = {"valid_from": each["on"], "annual_value": each["annual_value"]}
        ContractAmendment.objects.create(contract=made, recorded_at=_noon(each["on"], zone), **value)


def _terms(entry: dict[str, Any]) -> dict[str, Any]:
    return {TERMS[key]: entry[key] for key in TERMS if key in entry}


def _service_case(subject: Person | Account, number: int, entry: dict[str, Any], zone: ZoneInfo) -> None:
    opened = _noon(entry["opened"], zone)
    Case.objects.create(
        title=_("Case %(number)s") % {"number": number + 1},
        severity=entry.get("severity", ""),
        opened_at=opened,
        closed_at=_noon(entry["closed"], zone) if entry.get("closed") else None,
        properties=entry.get("properties", {}),
        recorded_at=opened,
        source=SOURCE,
        external_id=f"{subject.pk}/{number}",
        **({"person": subject} if isinstance(subject, Person) else {"account": subject}),
    )


def _sold(entry: dict[str, Any], when: datetime) -> dict[str, Any]:
    """What was sold, in which currency, with what else was told of it."""
    told = {"currency": entry.get("currency", ""), "properties": entry.get("properties", {})}
    if called := entry.get("product"):
        product = {"name": called, "recorded_at": when}
        known, _new = Product.objects.get_or_create(source=SOURCE, external_id=called, defaults=product)
        told["product"] = known
    return told


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _noon(text: str, zone: ZoneInfo) -> datetime:
    """Noon of a day, so that a history written in days lies inside them in every zone."""
    return installation.midnight(_day(text), zone) + timedelta(hours=12)
