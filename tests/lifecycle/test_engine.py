"""Gates, limits, delays, guards and chains: by the minute while it lives, and the same in a replay."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audience import live as engine
from audience.commerce import contracts
from audience.models import Contract, Dirty, FieldChange, Person
from kit import installation
from lifecycle.engine import replay
from lifecycle.ledger import moving, stages
from lifecycle.models import BulkMember, Membership, Movement, Version, Waiting
from reporting import integrity
from tests.factories import NOW, SMALL, account, activity, days_ago, deal, draft, person, published
from tests.lifecycle.crowds import crowd

pytestmark = pytest.mark.django_db

START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

LIMITED = SMALL.replace(
    "{slug: lead, name: Lead}",
    "{slug: lead, name: Lead, kind: sla, limit_hours: 8, when_missed: {to: resting, reason: Nobody called}}",
)


def stage_of(someone) -> str:
    newest = Membership.objects.filter(subject_id=someone.pk).order_by("-pass_number").first()
    return newest.stage.slug if newest and newest.stage else "nowhere"


def lived_at(*instants: datetime) -> None:
    for at in instants:
        engine.clock(at)
        engine.run_all(at)


def moves_of(someone) -> list[tuple[str, datetime, str]]:
    made = Movement.objects.filter(membership__subject_id=someone.pk).order_by("seq").select_related("to_stage")
    return [(each.to_stage.slug, each.occurred_at, each.reason) for each in made]


def live_now(text: str, at: datetime = NOW) -> Version:
    version = published(text, at)
    Version.objects.filter(pk=version.pk).update(looked_until=at)
    return version


def test_a_missed_limit_recycles_at_that_minute_without_anybody_touching_the_person():
    version = live_now(LIMITED)
    [membership] = crowd(version, 1, "lead", NOW)  # a Sunday: eight hours of Monday's work are over at 17:00
    due = Membership.objects.get().due_at
    assert due is not None
    lived_at(due - MINUTE)
    assert Membership.objects.get().stage.slug == "lead"
    lived_at(due + MINUTE)
    assert moves_of(membership.subject)[-1] == ("resting", due, "Nobody called")
    assert Membership.objects.get().due_at is None
    assert integrity.check(version.lifecycle, now=due + MINUTE) == []


def test_whoever_leaves_in_time_is_not_recycled():
    version = live_now(LIMITED)
    [membership] = crowd(version, 1, "lead", NOW)
    due = Membership.objects.get().due_at
    membership = Membership.objects.select_related("version__lifecycle", "stage").get()
    stages.move(membership, to=version.stages.get(slug="known"), reason="Called", by=None, at=NOW, now=NOW)
    lived_at(due + MINUTE)
    assert Membership.objects.get().stage.slug == "known"


DELAYED = SMALL.replace(
    "when: {field: activity.count, days: 90, op: at_least, value: 1}, reason: Did something}",
    "when: {field: activity.count, days: 90, op: at_least, value: 1}, reason: Did something, delay: {days: 3}}",
).replace("op: equals, value: 0}, reason: Silent}", "op: equals, value: 0}, reason: Silent, delay: {hours: 5}}")


def test_a_rule_with_a_delay_moves_so_long_after_its_condition_came_to_hold():
    live_now(DELAYED)
    ada = person(first_seen_at=NOW)
    activity(ada, NOW + MINUTE)
    lived_at(NOW + 2 * MINUTE)
    over = NOW + MINUTE + timedelta(days=3)
    assert (Waiting.objects.get().since, Waiting.objects.get().wakes_at) == (NOW + MINUTE, over)
    lived_at(over - MINUTE)
    assert stage_of(ada) == "known"
    lived_at(over + MINUTE)
    assert moves_of(ada)[-1] == ("engaged", over, "Did something")
    assert not Waiting.objects.filter(transition__to_stage__slug="engaged").exists()


def test_a_delay_begins_anew_when_its_condition_has_ceased_meanwhile():
    asks = "when: {field: activity.count, days: 90, op: at_least, value: 1}"
    live_now(DELAYED.replace(asks, "when: {field: person.country, op: is, value: DE}"))
    ada = person(first_seen_at=NOW, country="DE")

    def changes(country: str, at: datetime) -> None:
        told = {"old": Person.objects.get(pk=ada.pk).country, "source": "tests", "occurred_at": at, "recorded_at": at}
        FieldChange.objects.create(person=ada, field="country", **told)
        Person.objects.filter(pk=ada.pk).update(country=country)

    lived_at(NOW + MINUTE)
    changes("FR", NOW + timedelta(days=1))
    lived_at(NOW + timedelta(days=1, hours=1))
    assert not Waiting.objects.exists()
    changes("DE", NOW + timedelta(days=2))
    lived_at(NOW + timedelta(days=2, hours=1), NOW + timedelta(days=4))
    assert stage_of(ada) == "known"
    lived_at(NOW + timedelta(days=5, hours=1))
    assert moves_of(ada)[-1][:2] == ("engaged", NOW + timedelta(days=5))


def test_a_gate_whose_way_leads_back_lets_nobody_stand_in_it():
    """From resting over engaged and the gate back to resting: within one pass nobody is sent back where they were."""
    version = live_now(SMALL)
    [membership] = crowd(version, 1, "resting", NOW)
    for minutes in (1, 2, 3):
        activity(membership.person, NOW + minutes * MINUTE)
    engine.run_once(NOW + timedelta(hours=1))
    assert not Membership.objects.filter(stage__kind="gate").exists()
    lived_at(NOW + timedelta(hours=2))
    assert not Membership.objects.filter(stage__kind="gate").exists()
    assert integrity.check(version.lifecycle, now=NOW + timedelta(hours=3)) == []


GUARDED = SMALL.replace(
    "{from: any, to: resting, by_hand: true, reason: Not now}",
    "{from: any, to: resting, by_hand: true, reason: Not now, guard: {field: person.country, op: is, value: DE}}",
)


def test_a_guard_keeps_from_moving_by_hand_unless_somebody_says_why_and_that_is_counted():
    version = live_now(GUARDED)
    one, other = crowd(version, 2, "engaged", NOW)
    type(other.person).objects.filter(pk=other.person_id).update(country="DE")
    resting = version.stages.get(slug="resting")

    def move(membership, **more):
        read = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
        return stages.move(read, to=resting, reason="Because", by=None, at=NOW, now=NOW, **more)

    with pytest.raises(stages.Guarded, match="country is “DE”"):
        move(one)
    assert move(other) and move(one, override=True)
    assert set(Movement.objects.filter(kind="hand").values_list("membership", "overrides")) == {
        (one.pk, True), (other.pk, False),
    }  # fmt: skip


def test_a_move_of_many_by_hand_leaves_whom_a_guard_keeps_and_names_it():
    version = live_now(GUARDED)
    members = crowd(version, 3, "engaged", NOW)
    type(members[0].person).objects.filter(pk=members[0].person_id).update(country="DE")
    chosen = moving.chosen((each.pk, each.seq) for each in members)
    moving.move(version, chosen, to=version.stages.get(slug="resting"), reason="Off", by=None, now=NOW)
    told = BulkMember.objects.order_by("membership").values_list("outcome", "why")
    assert list(told) == [("moved", ""), *[("guarded", "country is “DE”")] * 2]


FULL = """
lifecycle: full
name: Full
species: net_new
of: {of}
reentry: true
entry: {{field: activity.count, days: 60, op: at_least, value: 1}}
stages:
  - {{slug: known, name: Known}}
  - {{slug: engaged, name: Engaged}}
  - {{slug: checked, name: Checked, kind: gate}}
  - {{slug: lead, name: Lead, kind: sla, limit_hours: 16, when_missed: resting}}
  - {{slug: won, name: Won, kind: terminal}}
  - {{slug: resting, name: Resting, path: detour}}
transitions:
  - {{from: any, to: won, when: {{field: deal.count, where: {{status: won}}, op: equals, value: 1}}, reason: Won}}
  - {{from: known, to: engaged, when: {{field: activity.count, days: 90, op: at_least, value: 2}}, delay: {{hours: 30}}}}
  - {{from: engaged, to: checked, when: {{field: activity.count, days: 20, op: at_least, value: 3}}}}
  - {{from: checked, to: lead, when: {{field: {of}.country, op: is, value: DE}}}}
  - {{from: checked, to: resting, when: {{}}}}
  - {{from: engaged, to: resting, when: {{field: activity.count, days: 7, op: equals, value: 0}}, delay: {{days: 2}}}}
  - {{from: resting, to: engaged, when: {{field: activity.count, days: 7, op: at_least, value: 1}},
     delay: {{working_hours: 8}}}}
"""


@pytest.mark.parametrize(("seed", "of", "zone"), [(21, "person", "Europe/Berlin"), (22, "account", "UTC")])
def test_living_through_every_midnight_equals_the_replay_with_gates_limits_delays_and_accounts(seed, of, zone):
    installation.put("zone", zone)
    assert_lived_as_replayed(FULL.format(of=of), seed, of)


def assert_lived_as_replayed(text, seed, of="person"):
    """What chance brings forty days long is moved by the clock as by the replay; the ledger of both."""
    chance, end = random.Random(seed), START + timedelta(days=40, hours=9)
    for _ in range(8):
        at = START + timedelta(minutes=chance.randrange(20 * 1440))
        someone = (person if of == "person" else account)(country=chance.choice(["DE", "FR"]), first_seen_at=at)
        while at < end:
            activity(someone, at)
            at += timedelta(hours=chance.choice([1, 5, 30, 60, 200]))
        if chance.random() < 0.4:
            deal(someone, end - timedelta(days=12), end - timedelta(days=chance.randrange(1, 11)))
    way = ("membership__subject_id", "membership__pass_number", "seq", "from_stage__slug", "to_stage__slug",
           "occurred_at", "evidence_at", "reason")  # fmt: skip

    def ledger(version):
        return list(Movement.objects.filter(version=version).order_by(*way[:3]).values_list(*way))

    replayed = draft(text)
    replay.run(replayed, now=end)
    expected = ledger(replayed)
    assert {"lead", "resting", "engaged"} <= {row[4] for row in expected}
    assert {"The limit was missed"} <= {row[7] for row in expected}

    lived = draft(text.replace("lifecycle: full", "lifecycle: again"))
    Version.objects.filter(pk=lived.pk).update(state="published", published_at=START, looked_until=START)
    Dirty.objects.all().delete()
    day = START.astimezone(installation.zone()).date()
    while (midnight := installation.midnight(day + timedelta(days=1), installation.zone())) <= end:
        engine.clock(midnight - engine.INSTANT)
        engine.run_once(midnight - engine.INSTANT)
        day += timedelta(days=1)
    engine.clock(end)
    engine.run_once(end)
    assert ledger(lived) == expected
    return expected


ONBOARDING = """
lifecycle: onboarding
name: Onboarding
species: customer
entry: {field: stage.small, op: is, value: won}
stages:
  - {slug: begun, name: Begun}
  - {slug: done, name: Done, kind: terminal}
transitions:
  - {from: begun, to: done, by_hand: true}
"""


def test_a_deal_that_is_won_closes_net_new_and_opens_onboarding_in_one_go_and_in_a_replay_on_the_same_day():
    live_now(SMALL)
    live_now(ONBOARDING)
    ada = person(first_seen_at=NOW)
    deal(ada, NOW, NOW + MINUTE)
    lived_at(NOW + 2 * MINUTE)
    came = dict(
        Movement.objects.filter(to_stage__slug__in=["won", "begun"]).values_list("to_stage__slug", "occurred_at")
    )
    assert came == {"won": NOW + MINUTE, "begun": NOW + MINUTE}

    again = draft(ONBOARDING.replace("lifecycle: onboarding", "lifecycle: later"))
    replay.run(again, now=NOW + timedelta(days=3))
    assert Movement.objects.get(version=again).occurred_at == NOW + MINUTE


def test_each_contract_that_comes_up_for_renewal_opens_a_pass_of_its_own():
    live_now(RENEWAL)
    acme = account(first_seen_at=days_ago(400))
    contract = Contract.objects.create(
        account=acme, source="tests", external_id="1", recorded_at=days_ago(300), starts_on=days_ago(300).date(),
        renews_on=(NOW + timedelta(days=70)).date(),
    )  # fmt: skip
    lived_at(NOW + MINUTE)
    assert stage_of(acme) == "nowhere"
    opens = NOW + timedelta(days=11)
    lived_at(opens)
    assert stage_of(acme) == "open"
    membership = Membership.objects.select_related("version__lifecycle", "stage").get()
    renewed = membership.version.stages.get(slug="renewed")
    stages.move(membership, to=renewed, reason="Signed", by=None, at=opens + MINUTE, now=opens + MINUTE)
    moved = {"renews_on": (NOW + timedelta(days=435)).date()}
    contracts.change(contract, moved, by=None, now=opens + timedelta(hours=1))
    lived_at(opens + timedelta(days=1))
    assert Membership.objects.count() == 1
    lived_at(NOW + timedelta(days=376))
    assert list(Membership.objects.order_by("pass_number").values_list("stage__slug", flat=True)) == ["renewed", "open"]


RENEWAL = """
lifecycle: renewal
name: Renewal
species: customer
of: account
reentry: true
entry: {field: contract.renews, op: within_next_days, value: 60}
stages:
  - {slug: open, name: Open}
  - {slug: renewed, name: Renewed, kind: terminal}
transitions:
  - {from: open, to: renewed, by_hand: true}
"""


@pytest.mark.django_db(transaction=True)
def test_ten_writers_on_the_same_thousand_lose_no_move_and_write_none_twice():
    version = published()
    members = crowd(version, 1000, "engaged", NOW)
    targets = {slug: version.stages.get(slug=slug) for slug in ("known", "lead", "resting")}
    won: list[int] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        try:
            for membership in chance.sample(members, 30):
                read = Membership.objects.select_related("version__lifecycle", "stage").get(pk=membership.pk)
                to = chance.choice([each for slug, each in targets.items() if slug != read.stage.slug])
                at = NOW + timedelta(minutes=number)
                won.append(stages.move(read, to=to, reason=f"writer {number}", by=None, at=at, now=at))
            half = moving.chosen((each.pk, each.seq) for each in members[number::10])
            bulk = moving.move(version, half, to=targets["lead"], reason=f"many {number}", by=None, now=NOW)
            won.append(bulk.members.filter(outcome="moved").count())
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(10)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(120)
    assert Movement.objects.exclude(kind="placement").count() == sum(won) > 300
    assert integrity.check(version.lifecycle, now=NOW + timedelta(days=1)) == []
