"""The three kinds of stages behave as Marketo documents those of its revenue cycle modeler.

An inventory holds whoever is in it for as long as it takes; a gate is a check of who qualifies and has no time of its
own; an SLA stage is one with a maximum time, of which two things are told: who was ever late, and who is and still there.
Sources: "Stage by Stage: Revenue Cycle Analytics Best Practices" on Marketo's blog, 2010, and "Using Revenue Model SLA
Stages" in Adobe's documentation of Marketo Engage.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audience import live as engine
from audience.conditions import compile, tree
from audience.models import Account, Person
from kit.sql import rows
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement, Version
from reporting import integrity
from tests.factories import account, activity, person, published

pytestmark = pytest.mark.django_db

MONDAY = datetime(2025, 1, 6, 9, tzinfo=UTC)
FORTNIGHT = timedelta(days=14)
MINUTE = timedelta(minutes=1)
# A company with more than a hundred million of revenue goes on, any other is disqualified; sales have ten working days.
MODEL = """
lifecycle: revenue
name: Revenue
species: net_new
entry: {}
stages:
  - {slug: prospect, name: Prospect}
  - {slug: qualified, name: Qualified, kind: gate}
  - {slug: lead, name: Sales lead, kind: sla, limit_hours: 80}
  - {slug: customer, name: Customer, kind: terminal}
  - {slug: disqualified, name: Disqualified, path: detour}
transitions:
  - {from: prospect, to: qualified, when: {field: activity.count, where: {kind: demo_requested}, op: at_least, value: 1}, reason: Ready}
  - {from: qualified, to: lead, when: {field: account.annual_revenue, op: more_than, value: 10000000000}, reason: Large}
  - {from: qualified, to: disqualified, when: {}, reason: Too small}
  - {from: lead, to: customer, by_hand: true, reason: Bought}
"""


@pytest.fixture
def version() -> Version:
    version = published(MODEL, MONDAY)
    Version.objects.filter(pk=version.pk).update(looked_until=MONDAY)
    return version


def company(millions: int) -> Account:
    return account(annual_revenue=millions * 1_000_000 * 100)


def contact(of: Account, *, ready: bool) -> Person:
    someone = person(account=of, first_seen_at=MONDAY)
    if ready:
        activity(someone, MONDAY + MINUTE, kind="demo_requested")
    return someone


def lived_until(at: datetime) -> None:
    engine.clock(at)
    engine.run_all(at)


def way_of(someone: Person) -> list[str]:
    return list(
        Movement.objects.filter(membership__person=someone).order_by("seq").values_list("to_stage__slug", flat=True)
    )


def with_limit(word: str, at: datetime) -> set[int]:
    node = tree.parse({"field": "stage.revenue.limit", "op": "is", "value": word})
    return {pk for (pk,) in rows(compile.members(node, of="person", at=at))}


def test_an_inventory_holds_somebody_until_they_are_ready_however_long_that_takes(version: Version) -> None:
    someone = contact(company(200), ready=False)
    lived_until(MONDAY + MINUTE)
    assert Membership.objects.get().due_at is None
    lived_until(MONDAY + timedelta(days=400))
    assert way_of(someone) == ["prospect"]
    assert not with_limit("missed", MONDAY + timedelta(days=400))
    activity(someone, MONDAY + timedelta(days=400), kind="demo_requested")
    lived_until(MONDAY + timedelta(days=400, hours=1))
    assert way_of(someone) == ["prospect", "qualified", "lead"]


def test_a_gate_asks_who_qualifies_and_holds_nobody_for_a_moment(version: Version) -> None:
    large, small = contact(company(101), ready=True), contact(company(100), ready=True)
    lived_until(MONDAY + timedelta(hours=1))
    assert way_of(large) == ["prospect", "qualified", "lead"]
    assert way_of(small) == ["prospect", "qualified", "disqualified"]
    # What is counted into it is counted out of it, at the very same instant: its balance is nobody, at any time.
    into = Movement.objects.filter(to_stage__slug="qualified").order_by("membership").values_list("occurred_at")
    out_of = Movement.objects.filter(from_stage__slug="qualified").order_by("membership").values_list("occurred_at")
    assert list(into) == list(out_of) and len(into) == 2
    assert integrity.check(version.lifecycle, now=MONDAY + timedelta(hours=2)) == []


def test_who_exceeds_the_time_of_an_sla_stage_is_past_due_while_there_and_has_been_due_for_good(
    version: Version,
) -> None:
    large = company(200)
    prompt, late, slow = (contact(large, ready=True) for _each in range(3))
    lived_until(MONDAY + timedelta(hours=1))
    over = Membership.objects.get(person=slow).due_at
    assert over == MONDAY + MINUTE + FORTNIGHT  # ten working days of eight hours

    def bought(someone: Person, at: datetime) -> None:
        membership = Membership.objects.select_related("version__lifecycle", "stage").get(person=someone)
        stages.move(membership, to=version.stages.get(slug="customer"), reason="Bought", by=None, at=at, now=at)

    bought(prompt, over - MINUTE)
    assert not with_limit("past_due", over) and not with_limit("missed", over)
    after = over + timedelta(days=3)
    lived_until(after)
    assert with_limit("past_due", after) == with_limit("missed", after) == {late.pk, slow.pk}
    # Without a stage for whom nobody answered they stay, stale, until somebody acts.
    bought(late, after)
    later = after + timedelta(days=30)
    lived_until(later)
    assert with_limit("past_due", later) == {slow.pk}
    assert with_limit("missed", later) == {late.pk, slow.pk}
    assert with_limit("met", later) == {prompt.pk}
