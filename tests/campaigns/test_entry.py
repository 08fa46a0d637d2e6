"""Who enters a campaign: by stage, by segment, at once, by hand; nobody twice, nobody who may not, and some held out."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from audience import live as engine
from audience.conditions.tree import ConditionError
from audience.models import Person, SegmentMember
from campaigns import entry, live, plans
from campaigns.models import Campaign, CampaignVersion, Enrollment
from kit import jobs
from kit.models import AuditEntry, Job
from kit.sql import Sql, rows, sql
from lifecycle.ledger import stages
from lifecycle.models import Membership
from tests.campaigns import making
from tests.factories import NOW, days_ago, person, published

pytestmark = pytest.mark.django_db

GERMAN = {"field": "person.country", "op": "is", "value": "DE"}
SOON = NOW + timedelta(minutes=5)
AT = SOON + engine.INSTANT


def inside(campaign: Campaign | None = None, state="active") -> set[int]:
    found = Enrollment.objects.filter(state=state)
    return set((found.filter(campaign=campaign) if campaign else found).values_list("subject_id", flat=True))


def who(version: CampaignVersion, at=AT, **more) -> dict[int, str]:
    return dict(rows(entry.entrants(version, at=at, **more)))


def place(someone: Person, version, stage="engaged", now=SOON) -> Membership:
    to = version.stages.get(slug=stage)
    stages.place(someone.pk, version, to=to, reason="test", by=None, at=now, now=now)
    return Membership.objects.get(subject_id=someone.pk, ended_at=None)


def move(membership: Membership, stage: str, now=SOON) -> None:
    membership.refresh_from_db()
    to = membership.version.stages.get(slug=stage)
    assert stages.move(membership, to=to, reason="test", by=None, at=now, now=now)


@pytest.fixture
def model():
    return published()


# ---- by stage ----


def test_whoever_enters_the_stage_after_the_launch_enters_and_whoever_was_there_does_not(model):
    early, late, elsewhere = person(), person(), person()
    place(early, model, now=days_ago(3))
    version = making.launched(making.simple(version=model, stage="engaged"))
    place(late, model)
    place(elsewhere, model, "known")
    assert who(version) == {late.pk: "entered “Engaged”"}
    assert entry.count(version, at=AT) == 1


def test_those_who_are_there_enter_too_when_that_was_chosen(model):
    early, late = person(), person()
    place(early, model, now=days_ago(3))
    version = making.launched(making.simple(version=model, stage="engaged", present=True))
    place(late, model)
    assert set(who(version)) == {early.pk, late.pk}
    assert who(version)[early.pk] == "was in “Engaged” at the launch"


def test_a_draft_tells_who_would_enter_if_it_were_launched_now(model):
    early = person()
    place(early, model, now=days_ago(3))
    assert entry.count(making.simple(version=model, stage="engaged", present=True), at=AT) == 1
    assert entry.count(making.simple("Other", version=model, stage="engaged"), at=AT) == 0


@pytest.mark.parametrize(
    ("kind", "occurred", "enters"),
    [("rule", days_ago(1), True), ("api", SOON, True), ("import", SOON, True), ("import", days_ago(300), False),
     ("replay", SOON, False), ("undo", SOON, False), ("migration", SOON, False)],
)  # fmt: skip
def test_nobody_arrives_by_a_movement_that_puts_the_ledger_right_or_tells_of_long_ago(model, kind, occurred, enters):
    version = making.launched(making.simple(version=model, stage="engaged"))
    someone = person(email="late@example.com")
    membership = place(someone, model, "known", now=days_ago(400))
    to = model.stages.get(slug="engaged")
    assert stages.move(membership, to=to, reason="test", by=None, at=occurred, now=SOON, kind=kind)
    assert (someone.pk in who(version)) == enters


def test_a_terminal_stage_has_people_too(model):
    there, comes = person(), person()
    stages.place(there.pk, model, to=model.stages.get(slug="known"), reason="", by=None, at=NOW, now=days_ago(3))
    move(Membership.objects.get(), "won", days_ago(2))
    version = making.launched(making.simple(version=model, stage="won", present=True))
    move(place(comes, model), "won")
    assert set(who(version)) == {there.pk, comes.pk}


def test_whoever_has_left_the_stage_again_enters_only_if_they_would_stay(model):
    someone = person()
    staying = making.launched(making.simple(version=model, stage="engaged", leave_with_stage=False))
    leaving = making.launched(making.simple("Other", version=model, stage="engaged"))
    move(place(someone, model), "lead")
    assert set(who(staying)) == {someone.pk}
    assert who(leaving) == {}


def test_a_gate_brings_people_in_though_it_holds_nobody(model):
    someone = person(country="DE")
    version = making.launched(making.simple(version=model, stage="checked"))
    membership = place(someone, model)
    gate, behind = model.stages.get(slug="checked"), model.stages.get(slug="lead")
    relation = sql(
        """SELECT {}::bigint AS subject_id, {}::bigint AS membership_id, 1 AS seq, 1 AS pass_number, step, from_stage,
                  to_stage, {}::timestamptz AS occurred_at, {}::timestamptz AS evidence_at,
                  NULL::bigint AS transition_id, '' AS reason
           FROM (VALUES (1, {}, {}), (2, {}, {})) steps (step, from_stage, to_stage)""",
        someone.pk, membership.pk, SOON, SOON, membership.stage_id, gate.pk, gate.pk, behind.pk,
    )  # fmt: skip
    assert stages.move_many(relation, stages.Ledgering(model, "rule", "rules", SOON)) == 2
    assert set(who(version)) == {someone.pk}


# ---- by segment ----


def test_whoever_joins_the_segment_enters_and_who_was_in_it_only_when_that_was_chosen():
    early, late = person(), person()
    segment = making.segment(early, at=days_ago(3))
    joining = making.launched(making.simple(entry="segment", segment=segment))
    present = making.launched(making.simple("Other", entry="segment", segment=segment, present=True))
    SegmentMember.objects.create(segment=segment, person=late, entered_at=SOON)
    assert who(joining) == {late.pk: "joined “Chosen”"}
    assert set(who(present)) == {early.pk, late.pk}
    SegmentMember.objects.filter(person=late).update(left_at=SOON)
    assert who(joining) == {}


def test_a_broadcast_goes_to_those_in_the_segment_at_the_launch_and_to_nobody_later():
    early, late = person(), person()
    segment = making.segment(early)
    version = making.launched(making.simple(entry="broadcast", segment=segment))
    SegmentMember.objects.create(segment=segment, person=late, entered_at=SOON)
    assert set(who(version)) == {early.pk}
    assert live.begin(SOON) == 1 and live.begin(SOON) == 0
    assert jobs.run(Job.objects.get().pk, SOON)
    assert Job.objects.get().result["entered"] == 1
    assert inside() == {early.pk}
    engine.mark_everybody("person")
    engine.run_all(SOON)
    assert inside() == {early.pk}


def test_a_broadcast_is_enrolled_chunk_by_chunk_and_goes_on_where_it_was_killed(monkeypatch):
    everybody = [person() for _n in range(7)]
    making.launched(making.simple(entry="broadcast", segment=making.segment(*everybody)))
    monkeypatch.setattr(live, "CHUNK", 2)
    live.begin(SOON)
    chunk, seen = live._chunk, []

    def killed(version, held, after):
        seen.append(after)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return chunk(version, held, after)

    monkeypatch.setattr(live, "_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(Job.objects.get().pk, SOON)
    assert len(inside()) == 4
    Job.objects.update(state="queued", owner="", lease_until=None)
    jobs.run(Job.objects.get().pk, SOON)
    assert Job.objects.get().state == "done", Job.objects.get().error
    assert Job.objects.get().result["entered"] == 7 and len(inside()) == 7
    assert seen == [0, 2, 4, 4, 6]


def test_a_paused_broadcast_enrols_the_rest_when_it_goes_on(monkeypatch):
    everybody = [person() for _n in range(5)]
    version = making.launched(making.simple(entry="broadcast", segment=making.segment(*everybody)))
    monkeypatch.setattr(live, "CHUNK", 2)
    live.begin(SOON)
    chunk = live._chunk

    def pausing(*args):
        entered = chunk(*args)
        plans.pause(version.campaign, by=None, now=SOON)
        return entered

    monkeypatch.setattr(live, "_chunk", pausing)
    jobs.run(Job.objects.get().pk, SOON)
    monkeypatch.setattr(live, "_chunk", chunk)
    assert len(inside()) == 2
    assert live.begin(SOON) == 0, "nobody enters a paused campaign"
    plans.resume(version.campaign, by=None, now=SOON)
    assert live.begin(SOON) == 1
    jobs.run(Job.objects.latest("pk").pk, SOON)
    assert len(inside()) == 5 and Enrollment.objects.count() == 5


# ---- who may ----


def test_only_the_audience_enters_and_an_empty_one_is_refused():
    german, french = person(country="DE"), person(country="FR")
    version = making.launched(making.simple(entry="broadcast", segment=making.segment(german, french), audience=GERMAN))
    assert set(who(version)) == {german.pk}
    CampaignVersion.objects.update(audience={})
    version.refresh_from_db()
    with pytest.raises(ConditionError):
        entry.entrants(version, at=AT)


def test_nobody_enters_who_is_erased_left_out_or_at_the_goal_already():
    kept, erased, out, done, gone = (person(country=country) for country in ("ES", "", "", "DE", "FR"))
    Person.objects.filter(pk=erased.pk).update(erased_at=NOW)
    Person.objects.filter(pk=out.pk).update(is_excluded=True, excluded_reason="competitor")
    version = making.launched(
        making.simple(
            entry="broadcast", segment=making.segment(kept, erased, out, done, gone), goal=GERMAN,
            exit=GERMAN | {"value": "FR"},
        )
    )  # fmt: skip
    assert set(who(version)) == {kept.pk}


def test_whoever_was_in_it_enters_again_only_after_the_days_and_by_arriving_again():
    someone = person()
    segment = making.segment(at=NOW)
    never = making.launched(making.simple(entry="segment", segment=segment))
    again = making.launched(making.simple("Again", entry="segment", segment=segment, reentry_days=30))
    for version in (never, again):
        Enrollment.objects.create(
            campaign=version.campaign, version=version, person=someone, state="finished", entered_at=NOW, ended_at=NOW
        )
    early, late = NOW + timedelta(days=29), NOW + timedelta(days=30)
    stay = SegmentMember.objects.create(segment=segment, person=someone, entered_at=early)
    assert who(again, late + timedelta(days=5)) == {}, "the arrival came too early, and nothing has happened since"
    SegmentMember.objects.filter(pk=stay.pk).update(entered_at=late)
    assert who(never, late + timedelta(days=5)) == {}
    entering = entry.entrants(again, at=late + timedelta(days=5))
    assert entry.enroll_many(again, entering, at=late, now=late) == entry.Entered(active=1)
    assert Enrollment.objects.get(state="active").pass_number == 2
    assert who(again, late + timedelta(days=99)) == {}, "one pass at a time"


# ---- enrolling ----


def test_whoever_enters_stands_at_the_first_step_and_is_due():
    someone = person()
    version = making.launched(making.simple(entry="broadcast", segment=making.segment(someone)))
    entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON)
    made = Enrollment.objects.get()
    first = making.steps(version)[0]
    assert (made.step, made.step_at, made.wake_at, made.entered_at) == (first, SOON, SOON, SOON)
    assert (made.why, made.version, made.pass_number) == ("was in “Chosen” at the launch", version, 1)


def test_a_flow_that_begins_with_a_wait_is_due_when_that_is_over():
    someone = person()
    draft = making.campaign(entry="broadcast", segment=making.segment(someone))
    plans.add_step(draft, "wait", settings={"days": 2})
    plans.add_step(draft, "exit")
    version = making.launched(draft)
    entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON)
    assert Enrollment.objects.get().wake_at == SOON + timedelta(days=2)


def test_the_same_statement_counts_and_enrols():
    everybody = [person(country="DE" if n % 3 else "FR") for n in range(30)]
    version = making.launched(making.simple(entry="broadcast", segment=making.segment(*everybody), audience=GERMAN))
    counted = entry.count(version, at=AT)
    entered = entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON)
    assert counted == entered.active == 20
    assert entry.count(version, at=AT) == 0
    assert entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON) == entry.Entered()


def test_by_hand_those_enter_who_may_and_it_is_told_in_the_audit():
    german, french, twice = person(country="DE"), person(country="FR"), person(country="DE")
    campaign = making.launched(making.simple(audience=GERMAN)).campaign
    entry.enroll(campaign, [twice.pk], why="", by=None, now=SOON)
    assert entry.enroll(campaign, [german.pk, french.pk, twice.pk], why="", by=None, now=SOON).active == 1
    assert inside() == {german.pk, twice.pk}
    assert set(Enrollment.objects.values_list("why", flat=True)) == {"by hand (system)"}
    assert AuditEntry.objects.filter(action="campaign.enroll").count() == 2
    plans.pause(campaign, by=None, now=SOON)
    with pytest.raises(entry.Refused):
        entry.enroll(campaign, [french.pk], why="", by=None, now=SOON)


def test_by_hand_nobody_enters_a_campaign_for_a_stage_that_they_are_not_in(model):
    there, elsewhere = person(), person()
    place(there, model, now=days_ago(3))
    campaign = making.launched(making.simple(version=model, stage="engaged")).campaign
    assert entry.enroll(campaign, [there.pk, elsewhere.pk], by=None, now=SOON).active == 1
    assert inside() == {there.pk}


# ---- held out ----


def is_held_out(campaign: Campaign, subject_id: int) -> bool:
    """The rule, by hand: whoever else asks must hold out the same people for ever."""
    digest = hashlib.sha256(f"{campaign.pk}:{subject_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") % 100 < campaign.holdout


def test_the_held_out_are_written_down_and_get_nothing():
    everybody = [person() for _n in range(60)]
    draft = making.simple(entry="broadcast", segment=making.segment(*everybody))
    plans.change_campaign(draft.campaign, holdout=50)
    version = making.launched(draft)
    entered = entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON)
    assert entered.active + entered.holdout == 60 and 15 < entered.holdout < 45
    out = Enrollment.objects.filter(state="holdout")
    assert {(each.step, each.wake_at, each.entered_at) for each in out} == {(None, None, SOON)}
    campaign = Campaign.objects.get()
    assert {each.subject_id for each in out} == {each.pk for each in everybody if is_held_out(campaign, each.pk)}


def test_the_hash_holds_out_its_share_evenly_and_says_the_same_of_the_same_person():
    campaign, other = Campaign(pk=7, holdout=10), Campaign(pk=8, holdout=10)

    def held(asked: Campaign) -> set[int]:
        some = sql("SELECT n FROM generate_series(1, 50000) n WHERE {}", entry.held_out(asked, Sql("n")))
        return {row[0] for row in rows(some)}

    ten = held(campaign)
    assert held(campaign) == ten == {n for n in range(1, 50001) if is_held_out(campaign, n)}
    assert abs(len(ten) - 5000) < 4 * (50000 * 0.1 * 0.9) ** 0.5, "a binomial share, within four deviations"
    for start in range(0, 50000, 5000):  # no stretch of numbers is favoured
        assert abs(len([n for n in ten if start < n <= start + 5000]) - 500) < 4 * (5000 * 0.1 * 0.9) ** 0.5
    assert abs(len(ten & held(other)) - 500) < 4 * 500**0.5, "campaigns hold out others than one another"
    campaign.holdout = 30
    assert ten < held(campaign), "a larger share keeps whom the smaller held out"


def test_whoever_was_held_out_stays_so_when_they_enter_again():
    everybody = [person() for _n in range(20)]
    draft = making.simple(reentry_days=1)
    plans.change_campaign(draft.campaign, holdout=50)
    campaign = making.launched(draft).campaign
    ids = [each.pk for each in everybody]
    entry.enroll(campaign, ids, by=None, now=SOON)
    held = inside(state="holdout")
    assert 0 < len(held) < 20
    Enrollment.objects.filter(state="active").update(state="finished", ended_at=SOON)
    again = entry.enroll(campaign, ids, by=None, now=SOON + timedelta(days=2))
    assert again == entry.Entered(20 - len(held), len(held))
    assert inside(state="holdout") == held


# ---- two at once ----


@pytest.mark.django_db(transaction=True)
def test_two_workers_enrol_nobody_twice_and_wait_for_nobody_for_ever():
    everybody = [person() for _n in range(50)]
    version = making.launched(making.simple(entry="broadcast", segment=making.segment(*everybody)))
    begun, found = threading.Barrier(2), []

    def enrol() -> None:
        try:
            begun.wait()
            with transaction.atomic():
                found.append(entry.enroll_many(version, entry.entrants(version, at=AT), at=AT, now=SOON))
                rows(Sql("SELECT pg_sleep(0.3)"))
        finally:
            connection.close()

    workers = [threading.Thread(target=enrol) for _n in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert Enrollment.objects.count() == 50
    assert sorted(each.active for each in found) == [0, 50]


@pytest.mark.django_db(transaction=True)
def test_a_campaign_is_not_stopped_while_somebody_enters_it_and_takes_nobody_afterwards(model):
    campaign = making.launched(making.simple()).campaign
    version, someone, other = campaign.versions.get(), person(), person()
    stopped = threading.Event()

    def stop() -> None:
        try:
            plans.stop(campaign, by=None, now=SOON)
            stopped.set()
        finally:
            connection.close()

    with transaction.atomic():
        entry.enroll(campaign, [someone.pk], by=None, now=NOW)
        stopping = threading.Thread(target=stop)
        stopping.start()
        assert not stopped.wait(0.5)
    stopping.join()
    assert inside(state="stopped") == {someone.pk} and not inside()
    chosen = sql("SELECT {}::bigint AS subject_id, '' AS why", other.pk)
    assert not entry.enroll_many(version, chosen, at=AT, now=SOON) and not inside()
