"""People and histories for tests, made by walking real verbs where there are any."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from audience.models import Account, Activity, ActivityKind, Deal, DealRole, Person, Purchase
from lifecycle.editions import documents, versions
from lifecycle.models import Version

NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
_number = itertools.count(1)


def days_ago(days: float, of: datetime = NOW) -> datetime:
    """The instant so many days before the tests' now."""
    return of - timedelta(days=days)


def person(**values: Any) -> Person:
    """A person first seen 100 days ago unless said otherwise."""
    return Person.objects.create(**{"first_seen_at": days_ago(100), "created_at": days_ago(100)} | values)


def account(**values: Any) -> Account:
    """An account first seen 100 days ago unless said otherwise."""
    return Account.objects.create(**{"first_seen_at": days_ago(100), "created_at": days_ago(100)} | values)


def activity(subject: Person | Account, at: datetime, kind: str = "page_visited", **values: Any) -> Activity:
    """One activity of a subject, inbound unless said otherwise."""
    of_kind, _new = ActivityKind.objects.get_or_create(slug=kind, defaults={"label": kind})
    whose = {"person": subject} if isinstance(subject, Person) else {"account": subject}
    told = {"direction": "inbound", "recorded_at": at, "source": "tests", "external_id": str(next(_number))}
    return Activity.objects.create(kind=of_kind, occurred_at=at, **whose, **told | values)


def deal(subject: Person | Account, opened: datetime, closed: datetime | None = None, **values: Any) -> Deal:
    """A deal with the subject on it: won when it is closed, unless said otherwise."""
    told = {"status": "won" if closed else "open", "recorded_at": opened, "source": "tests"}
    told |= {"account": subject if isinstance(subject, Account) else None}
    made = Deal.objects.create(opened_at=opened, closed_at=closed, external_id=str(next(_number)), **told | values)
    if isinstance(subject, Person):
        DealRole.objects.create(deal=made, person=subject)
    return made


def purchase(subject: Person, at: datetime, **values: Any) -> Purchase:
    """One purchase of a person."""
    return Purchase.objects.create(
        person=subject, occurred_at=at, recorded_at=at, source="tests", external_id=str(next(_number)), **values
    )


SMALL = """
lifecycle: small
name: Small
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: engaged, name: Engaged}
  - {slug: checked, name: Checked, kind: gate}
  - {slug: lead, name: Lead}
  - {slug: won, name: Won, kind: terminal}
  - {slug: resting, name: Resting, path: detour}
transitions:
  - {from: any, to: won, when: {field: deal.count, where: {status: won}, op: at_least, value: 1}, reason: A deal won}
  - {from: known, to: engaged, when: {field: activity.count, days: 90, op: at_least, value: 1}, reason: Did something}
  - {from: engaged, to: checked, when: {field: activity.count, days: 30, op: at_least, value: 3}, reason: Did a lot}
  - {from: checked, to: lead, when: {field: person.country, op: is, value: DE}, reason: From Germany}
  - {from: checked, to: resting, when: {}, reason: From elsewhere}
  - {from: engaged, to: resting, when: {field: activity.count, days: 30, op: equals, value: 0}, reason: Silent}
  - {from: resting, to: engaged, when: {field: activity.count, days: 7, op: at_least, value: 1}, reason: Came back}
  - {from: any, to: resting, by_hand: true, reason: Not now}
"""


def draft(text: str = SMALL, now: datetime = NOW) -> Version:
    """A draft of a lifecycle document."""
    return versions.draft(documents.parse(text), by=None, now=now)


def published(text: str = SMALL, now: datetime = NOW) -> Version:
    """A version that is live without a replay."""
    version = draft(text, now)
    Version.objects.filter(pk=version.pk).update(state=Version.State.PUBLISHED, published_at=now)
    version.refresh_from_db()
    return version
