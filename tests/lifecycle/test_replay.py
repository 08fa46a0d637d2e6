"""Replay: the history walked day by day equals living it, resumes after a kill, and a preview leaves nothing."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from audience.models import Contract
from kit import installation
from lifecycle.engine import passes, replay, rules
from lifecycle.models import Membership, Movement
from tests.factories import account, activity, deal, draft, person, published
from tests.scoring import making as scoring

pytestmark = pytest.mark.django_db

START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)


def some_history(seed, people=12, days=115):
    """People with visits in bursts, a few deals, some from Germany: enough to use every rule."""
    chance = random.Random(seed)
    for _ in range(people):
        seen = START + timedelta(minutes=chance.randrange(days * 1440))
        someone = person(country=chance.choice(["DE", "FR", ""]), first_seen_at=seen)
        at = seen
        while (at := at + timedelta(hours=chance.choice([1, 5, 30, 200, 900]))) < NOW:
            activity(someone, at)
        if chance.random() < 0.3:
            opened = seen + timedelta(days=chance.randrange(-3, 60))
            deal(someone, opened, min(opened + timedelta(days=chance.randrange(30)), NOW - timedelta(hours=1)))


WAY = ("membership__subject_id", "membership__pass_number", "seq")
MOVE = (*WAY, "from_stage__slug", "to_stage__slug", "occurred_at", "evidence_at", "reason")


def ledger(**of):
    return list(Movement.objects.filter(**of).order_by(*WAY).values_list(*MOVE))


def live(version, zone):
    """Passes over everybody at every local midnight, and one now."""
    asked = rules.read(version)
    day = START.astimezone(zone).date()
    while (midnight := installation.midnight(day + timedelta(days=1), zone)) <= NOW:
        passes.apply(asked, among=None, at=midnight, now=midnight)
        day += timedelta(days=1)
    passes.apply(asked, among=None, at=NOW + timedelta(microseconds=1), now=NOW)


@pytest.mark.parametrize(("seed", "zone"), [(1, "UTC"), (2, "Europe/Berlin"), (3, "America/Sao_Paulo"), (4, "UTC")])
def test_replay_equals_living_through_every_midnight_with_everybody(seed, zone):
    installation.put("zone", zone)
    some_history(seed)
    lived = published()
    live(lived, installation.zone())
    expected = ledger()
    assert len({row[4] for row in expected}) >= 4
    from tests.factories import SMALL

    replayed = draft(SMALL.replace("lifecycle: small", "lifecycle: again"))
    replay.run(replayed, now=NOW)
    assert ledger(version=replayed) == expected


WIDE = """
lifecycle: wide
name: Wide
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: warm, name: Warm}
  - {slug: among_friends, name: Among friends}
  - {slug: customer, name: Customer}
  - {slug: gone, name: Gone, kind: terminal}
  - {slug: cold, name: Cold, path: detour}
transitions:
  - {from: any, to: customer, when: {field: contract.count, op: at_least, value: 1}}
  - {from: customer, to: gone, when: {field: contract.count, op: equals, value: 0}}
  - {from: known, to: warm, when: {field: score.lead, op: at_least, value: 10}}
  - {from: among_friends, to: cold, when: {field: score.lead, op: at_most, value: 15}}
  - from: warm
    to: among_friends
    when: {field: account.people, op: at_least, value: 2, who: {field: activity.count, days: 20, op: at_least, value: 1}}
  - {from: cold, to: warm, when: {field: score.lead, op: at_least, value: 20}}
"""
WIDER_SCORE = """
model: lead
name: Lead score
of: account
limit: 20
rules:
  - {name: Visited, points: 6, did: {kind: page_visited}, half_life: 20}
  - {name: Germany, points: 2, fit: {field: account.country, op: is, value: DE}}
"""


@pytest.mark.parametrize(("seed", "zone"), [(21, "UTC"), (22, "Europe/Berlin")])
def test_replay_equals_living_by_rules_about_scores_contracts_and_an_account_s_people(seed, zone):
    installation.put("zone", zone)
    chance = random.Random(seed)
    for number in range(6):
        seen = START + timedelta(days=chance.randrange(30), hours=9)
        firm = account(name=f"Firm {number}", country=chance.choice(["DE", "FR"]), first_seen_at=seen)
        for _ in range(3):
            someone = person(account=firm, first_seen_at=seen)
            at = seen + timedelta(hours=chance.randrange(200))
            while at < NOW:
                activity(someone, at, account=firm)
                at += timedelta(hours=chance.choice([9, 30, 300, 1100]))
        if number % 2:
            begins = (seen + timedelta(days=chance.randrange(10, 40))).date()
            Contract.objects.create(
                account=firm, name="Support", starts_on=begins, ends_on=begins + timedelta(days=40), recorded_at=seen,
                source="tests", external_id=str(number),
            )  # fmt: skip
    scoring.published(WIDER_SCORE, NOW)
    text = WIDE.replace("species: net_new", "species: net_new\nof: account")
    lived = published(text)
    live(lived, installation.zone())
    expected = ledger()
    assert {row[4] for row in expected} >= {"warm", "among_friends", "customer", "gone", "cold"}
    replayed = draft(text.replace("lifecycle: wide", "lifecycle: again"))
    replay.run(replayed, now=NOW)
    assert ledger(version=replayed) == expected


def test_a_preview_of_a_second_draft_tells_the_same_as_of_a_first():
    some_history(9, people=6, days=20)
    first = published()
    alone = replay.preview(first, now=NOW)
    replay.run(first, now=NOW)
    beside = replay.preview(draft(), now=NOW)
    assert alone["movements"] == beside["movements"] == Movement.objects.count() > 0


def test_replay_in_two_halves_equals_replay_in_one():
    some_history(7)
    one = draft()
    replay.run(one, now=NOW)
    whole = ledger()
    from tests.factories import SMALL

    two = draft(SMALL.replace("lifecycle: small", "lifecycle: again"))

    class Killed(Exception):
        pass

    reached = []

    def die_on_day_sixty(step):
        if step.number == 60:
            raise Killed
        reached.append(step.day)

    with pytest.raises(Killed):
        replay.run(two, now=NOW, progress=die_on_day_sixty)
    replay.run(two, now=NOW, after=reached[-1])
    assert ledger(version=two) == whole


def test_a_preview_tells_what_would_happen_and_leaves_nothing():
    some_history(9)
    version = draft()
    told = replay.preview(version, now=NOW)
    assert (Movement.objects.count(), Membership.objects.count()) == (0, 0)
    replay.run(version, now=NOW)
    assert (told["movements"], told["subjects"]) == (Movement.objects.count(), Membership.objects.count())
    assert {stage["slug"]: stage["are_in"] for stage in told["stages"] if stage["are_in"]} == {
        slug: Membership.objects.filter(stage__slug=slug).count()
        for slug in Membership.objects.values_list("stage__slug", flat=True)
    }


def test_without_anybody_there_is_nothing_to_replay():
    assert replay.run(draft(), now=NOW) == 0
