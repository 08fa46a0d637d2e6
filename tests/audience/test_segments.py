"""Segments: who enters and leaves, by difference; kept live, by the clock, and whole; and what nobody may lose."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience import live, segments
from audience.conditions import compile, tree
from audience.conditions.tree import ConditionError
from audience.models import Dirty, Person, Segment, SegmentMember
from audience.segments import comparing, filling
from audience.subjects import people
from kit import jobs, reading
from kit.models import AuditEntry, Job
from kit.sql import Sql, rows, sql
from tests.factories import NOW, account, activity, days_ago, draft, person, published

pytestmark = pytest.mark.django_db

FROM_GERMANY = {"field": "person.country", "op": "is", "value": "DE"}
ACTIVE = {"field": "activity.count", "days": 30, "op": "at_least", "value": 2}
LATER = NOW + timedelta(hours=2)


def segment(label="Germans", condition=FROM_GERMANY, of="person", now=NOW) -> Segment:
    return segments.create(label, of=of, condition=condition, by=None, now=now)


def inside(of: Segment) -> set[int]:
    return set(SegmentMember.objects.filter(segment=of, left_at=None).values_list("subject_id", flat=True))


def move(who: Person, country: str, now=NOW) -> None:
    people.change(who, {"country": country}, source="tests", by=None, now=now)


def ids(*some: int) -> Sql:
    return sql("SELECT unnest({}::bigint[]) AS subject_id", list(some))


# ---- make, change, delete ----


def test_a_new_segment_is_filled_at_once_and_told_in_the_audit():
    ada, _bob = person(country="DE"), person(country="FR")
    made = segment()
    assert inside(made) == {ada.pk}
    assert SegmentMember.objects.get().entered_at == NOW
    assert made.slug == "germans"
    assert AuditEntry.objects.get().action == "segment.create"


def test_what_takes_longer_than_a_moment_is_filled_by_a_job(monkeypatch):
    ada = person(country="DE")
    monkeypatch.setattr(filling, "AT_ONCE", 0.001)
    made = segment("Slow", {"all": [FROM_GERMANY, *({"not": ACTIVE | {"value": n}} for n in range(2, 60))]})
    assert inside(made) == set() and made.job is not None
    assert jobs.run(made.job.pk, NOW)
    done = Job.objects.get()
    assert (done.state, done.result["entered"], done.rows_done) == ("done", 1, 1)
    assert inside(made) == {ada.pk}


def test_names_for_conditions_are_free_and_stay():
    first, second, chinese = segment("Hot leads!"), segment("Hot leads"), segment("客户")
    assert [first.slug, second.slug, chinese.slug] == ["hot_leads", "hot_leads_2", "segment"]
    segments.change(first, label="Cold leads", condition=FROM_GERMANY, by=None, now=NOW)
    assert Segment.objects.get(pk=first.pk).slug == "hot_leads"


@pytest.mark.parametrize("condition", [{}, None, {"all": []}, {"all": [{"all": []}]}])
def test_a_segment_of_everybody_is_refused(condition):
    with pytest.raises(segments.Refused):
        segment(condition=condition)


def test_another_condition_changes_who_is_in_it_however_many():
    everybody = [person(country="DE" if n else "FR") for n in range(60)]
    made = segment()
    segments.change(
        made, label="French", condition={"field": "person.country", "op": "is", "value": "FR"}, by=None, now=LATER
    )
    assert inside(made) == {everybody[0].pk}
    assert SegmentMember.objects.filter(left_at=LATER).count() == 59
    assert Segment.objects.get().held_back_at is None


def test_a_fixed_list_holds_those_it_was_made_of_until_they_are_erased():
    ada, bob = person(country="DE"), person(country="DE")
    made = segments.create_list("Fair", of="person", members=ids(ada.pk, ada.pk, bob.pk, 10**9), by=None, now=NOW)
    assert inside(made) == {ada.pk, bob.pk}
    move(ada, "FR")
    live.run_all(NOW)
    assert inside(made) == {ada.pk, bob.pk}
    assert segments.add(made, ids(ada.pk), now=NOW) == 0
    Person.objects.filter(pk=ada.pk).update(erased_at=NOW)
    live.run_all(NOW)
    assert inside(made) == {bob.pk}
    assert segments.remove(made, ids(bob.pk), now=LATER) == 1
    assert inside(made) == set()


def test_a_segment_in_use_cannot_be_deleted_and_the_refusal_names_its_users():
    made = segment()
    other = segment("Active Germans", {"all": [{"field": "segment.germans", "op": "is", "value": True}, ACTIVE]})
    version = draft(RULES)
    with pytest.raises(segments.Refused) as refused:
        segments.delete(made, by=None, now=NOW)
    assert [str(use) for use in refused.value.users] == ["Segment “Active Germans”", f"Lifecycle “{version}”"]
    segments.delete(other, by=None, now=NOW)
    with pytest.raises(segments.Refused):
        segments.delete(made, by=None, now=NOW)


def test_a_segment_that_nobody_uses_is_deleted_with_its_history():
    person(country="DE")
    segments.delete(segment(), by=None, now=NOW)
    assert not Segment.objects.exists() and not SegmentMember.objects.exists()
    assert AuditEntry.objects.filter(action="segment.delete").exists()


# ---- difference and history ----


def test_entering_and_leaving_are_rows_with_their_times():
    ada = person(country="DE")
    made = segment()
    move(ada, "FR")
    done = segments.refresh(made, at=LATER + live.INSTANT, now=LATER)
    assert (done.entered, done.left) == (0, 1)
    move(ada, "DE")
    segments.refresh(made, at=LATER + timedelta(hours=1), now=LATER + timedelta(hours=1))
    stays = SegmentMember.objects.order_by("entered_at").values_list("entered_at", "left_at")
    assert list(stays) == [(NOW, LATER), (LATER + timedelta(hours=1), None)]


def test_a_second_look_changes_nothing():
    person(country="DE")
    made = segment()
    before = list(SegmentMember.objects.values())
    assert segments.refresh(made, at=LATER, now=LATER) == segments.Difference()
    assert list(SegmentMember.objects.values()) == before


def test_a_look_at_some_leaves_the_others_alone():
    ada, bob = person(country="DE"), person(country="DE")
    made = segment()
    Person.objects.update(country="FR")
    segments.refresh(made, at=LATER, now=LATER, among=ids(ada.pk))
    assert inside(made) == {bob.pk}


def test_filling_a_segment_marks_its_people_only_if_something_asks_for_it():
    ada = person(country="DE")
    live.run_all(NOW)
    made = segment()
    assert not Dirty.objects.exists(), "nothing asks for a new segment, so nobody waits behind its members"
    segment("Others", {"not": {"field": "segment.germans", "op": "is", "value": True}})
    assert not Dirty.objects.exists()
    segments.change(made, label="French", condition=FROM_GERMANY | {"value": "FR"}, by=None, now=LATER)
    assert set(Dirty.objects.values_list("subject_id", flat=True)) == {ada.pk}
    live.run_all(LATER)
    assert inside(Segment.objects.get(slug="others")) == {ada.pk}


@pytest.mark.django_db(transaction=True)
def test_who_changes_while_a_segment_is_filled_is_not_left_with_the_older_answer():
    """The fact is judged after the filling statement has looked, and before what it wrote can be seen."""
    ada = person(country="DE")
    live.run_all(NOW)
    made = Segment.objects.create(
        name="Germans", slug="germans", condition=FROM_GERMANY, looked_until=NOW, created_at=NOW, updated_at=NOW
    )
    looked, judged = threading.Event(), threading.Event()

    def fill():
        try:
            with transaction.atomic(), live.without_marks():
                segments.refresh(made, at=NOW + live.INSTANT, now=NOW)
                looked.set()
                judged.wait(20)
            filling.look_again(made, LATER)
        finally:
            connection.close()

    thread = threading.Thread(target=fill)
    thread.start()
    assert looked.wait(20)
    move(ada, "FR")
    live.run_all(LATER)
    judged.set()
    thread.join(20)
    live.run_all(LATER)
    assert inside(made) == set()


# ---- kept live ----


def test_whoever_changes_is_in_or_out_with_the_next_turn_of_the_engine():
    ada = person(country="FR")
    made = segment()
    live.run_all(NOW)
    assert inside(made) == set()
    move(ada, "DE")
    live.run_all(LATER)
    assert inside(made) == {ada.pk} and SegmentMember.objects.get().entered_at == LATER
    move(ada, "FR")
    live.run_all(LATER)
    assert inside(made) == set()
    assert live.run_all(LATER) == 0, "the engine comes to rest"


def test_segments_of_accounts_are_kept_beside_those_of_people():
    firm = account(industry="Rail")
    made = segment("Rail", {"field": "account.industry", "op": "is", "value": "rail"}, of="account")
    of_people = segment("In rail", {"field": "account.industry", "op": "is", "value": "rail"})
    ada = person(account=firm)
    live.run_all(NOW)
    assert (inside(made), inside(of_people)) == ({firm.pk}, {ada.pk})


def test_time_alone_brings_people_in_and_out():
    ada = person(country="DE")
    for days in (1, 29.9):
        activity(ada, days_ago(days))
    made = segment("Active", ACTIVE)
    quiet = segment("Quiet", {"not": ACTIVE})
    live.run_all(NOW)
    assert (inside(made), inside(quiet)) == ({ada.pk}, set())
    live.clock(LATER)
    assert live.run_all(LATER) == 0
    tomorrow = NOW + timedelta(days=1)
    live.clock(tomorrow)
    live.run_all(tomorrow)
    assert (inside(made), inside(quiet)) == (set(), {ada.pk})


def test_a_segment_may_ask_for_segments_in_any_order_of_their_making():
    ada, bob = person(country="DE"), person(country="FR")
    base = segment()
    built = segment("Others", {"not": {"field": "segment.germans", "op": "is", "value": True}})
    live.run_all(NOW)
    assert (inside(base), inside(built)) == ({ada.pk}, {bob.pk})
    move(ada, "FR")
    move(bob, "DE")
    live.run_all(LATER)
    assert (inside(base), inside(built)) == ({bob.pk}, {ada.pk})


def test_a_lifecycle_moves_people_by_their_segment():
    segment()
    version = published(RULES)
    ada = person(country="FR")
    live.run_all(NOW)
    move(ada, "DE")
    live.run_all(LATER)
    stage = version.lifecycle.membership_set.get(person=ada).stage
    assert stage and stage.slug == "won"


RULES = """
lifecycle: by_segment
name: By segment
species: net_new
entry: {}
stages:
  - {slug: known, name: Known}
  - {slug: won, name: Won, kind: terminal}
transitions:
  - {from: known, to: won, when: {field: segment.germans, op: is, value: true}, reason: In the segment}
"""


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6))
def test_kept_live_it_is_what_asking_everybody_gives(seed):
    """After any changes, a live turn leaves exactly those of whom the condition holds, and the same for its opposite."""
    with transaction.atomic():
        _live_is_full(random.Random(seed))
        transaction.set_rollback(True)


def _live_is_full(dice):
    now = NOW
    everybody = [person(country=dice.choice(["DE", "FR", ""])) for _ in range(12)]
    conditions = [
        FROM_GERMANY,
        {"any": [{"all": [FROM_GERMANY, {"not": ACTIVE}]}, {"field": "person.country", "op": "empty"}]},
        {"not": ACTIVE},
        {"field": "activity.days_since_last", "op": "at_most", "value": 3},
        {"all": [{"field": "segment.s0", "op": "is", "value": False}, ACTIVE]},
        {"field": "person.created", "op": "days_ago_at_least", "value": 101},
    ]
    made = [segment(f"S{n}", each, now=now) for n, each in enumerate(conditions)]
    for _turn in range(4):
        now += timedelta(hours=dice.choice([1, 9, 30]))
        for _change in range(4):
            who = dice.choice(everybody)
            if dice.random() < 0.5:
                move(who, dice.choice(["DE", "FR"]), now)
            else:
                activity(who, now - timedelta(days=dice.choice([0, 1, 29])), actor=dice.choice(["human", "bot"]))
        live.clock(now)
        live.run_all(now)
        at = now + live.INSTANT
        for each in made:
            node = tree.parse(each.condition, of="person")
            assert inside(each) == {row[0] for row in rows(compile.members(node, of="person", at=at))}, each


# ---- the field ----


def test_being_in_a_segment_can_be_asked_as_of_any_instant():
    ada = person(country="DE")
    made = segment()
    move(ada, "FR")
    segments.refresh(made, at=LATER + live.INSTANT, now=LATER)
    asked = tree.parse({"field": "segment.germans", "op": "is", "value": True})

    def members(at):
        return {row[0] for row in rows(compile.members(asked, of="person", at=at))}

    assert members(NOW) == set(), "strictly before"
    assert members(NOW + live.INSTANT) == {ada.pk}
    assert members(LATER) == {ada.pk}
    assert members(LATER + live.INSTANT) == set()
    opposite = tree.parse({"field": "segment.germans", "op": "is", "value": False})
    assert {row[0] for row in rows(compile.members(opposite, of="person", at=NOW))} == {ada.pk}


def test_who_entered_or_left_meanwhile_is_touched():
    ada, bob = person(country="DE"), person(country="FR")
    made = segment()
    move(ada, "FR")
    segments.refresh(made, at=LATER + live.INSTANT, now=LATER)
    asked = [tree.parse({"field": "segment.germans", "op": "is", "value": True})]

    def touched(since, until):
        return {row[0] for row in rows(compile.touched(asked, of="person", since=since, until=until))}

    assert touched(NOW - timedelta(hours=1), NOW + live.INSTANT) == {ada.pk}
    assert touched(NOW + live.INSTANT, LATER) == set()
    assert touched(LATER, LATER + live.INSTANT) == {ada.pk} and bob.pk


def test_a_field_belongs_to_the_subjects_of_its_segment():
    segment("Rail", {"field": "account.industry", "op": "is", "value": "rail"}, of="account")
    with pytest.raises(ConditionError, match="cannot be asked of people"):
        tree.parse({"field": "segment.rail", "op": "is", "value": True})


def test_a_segment_cannot_be_made_of_itself():
    first = segment("First")
    second = segment("Second", {"field": "segment.first", "op": "is", "value": True})
    third = segment("Third", {"any": [{"not": {"field": "segment.second", "op": "is", "value": True}}]})
    for asked, way in ((first, "“First” → “First”"), (third, "“First” → “Third” → “Second” → “First”")):
        with pytest.raises(segments.Refused, match="comes back to this segment") as refused:
            segments.change(
                first,
                label="First",
                condition={"field": f"segment.{asked.slug}", "op": "is", "value": True},
                by=None,
                now=NOW,
            )
        assert way in str(refused.value)
    assert second and Segment.objects.get(slug="first").condition == FROM_GERMANY


# ---- what nobody may lose ----


def test_more_than_a_third_leaving_at_once_waits_for_somebodys_word():
    many = [person(country="DE") for _ in range(50)]
    made = segment()
    live.run_all(NOW)
    Person.objects.filter(pk__in=[each.pk for each in many[:40]]).update(country="")
    done = segments.refresh(made, at=LATER, now=LATER)
    assert done == segments.Difference(0, 0, 40)
    made.refresh_from_db()
    assert made.held_back_at == LATER and len(inside(made)) == 50
    assert segments.would_leave(made, at=LATER) == 40
    new = person(country="DE")
    live.run_all(LATER)
    assert new.pk in inside(made), "whoever comes still comes"
    segments.let_leave(made, by=None, now=LATER)
    made.refresh_from_db()
    assert made.held_back_at is None and len(inside(made)) == 11


def test_what_was_an_accident_and_is_mended_needs_no_word():
    many = [person(country="DE") for _ in range(50)]
    made = segment()
    Person.objects.update(country="")
    segments.refresh(made, at=LATER, now=LATER)
    Person.objects.filter(pk__in=[each.pk for each in many[5:]]).update(country="DE")
    later = LATER + timedelta(minutes=11)
    live.clock(later)
    made.refresh_from_db()
    jobs.run(made.job.pk, later)
    made.refresh_from_db()
    assert made.held_back_at is None and len(inside(made)) == 45


def test_a_drop_by_many_small_batches_is_held_back_too():
    many = [person(country="DE") for _ in range(100)]
    made = segment()
    live.run_all(NOW)
    for start in range(0, 100, 10):
        for each in many[start : start + 10]:
            move(each, "", LATER)
        live.run_all(LATER)
    made.refresh_from_db()
    assert made.held_back_at == LATER
    assert 65 <= len(inside(made)) <= 75


def test_a_few_may_always_leave():
    many = [person(country="DE") for _ in range(20)]
    made = segment()
    live.run_all(NOW)
    for each in many[1:]:
        move(each, "FR", LATER)
    live.run_all(LATER)
    assert inside(made) == {many[0].pk} and Segment.objects.get().held_back_at is None


def test_a_small_segment_that_finds_nobody_any_more_loses_nobody_without_a_word():
    many = [person(country="DE") for _ in range(15)]
    made = segment()
    Person.objects.update(country="")
    assert segments.refresh(made, at=LATER, now=LATER) == segments.Difference(0, 0, 15)
    made.refresh_from_db()
    assert made.held_back_at == LATER and inside(made) == {each.pk for each in many}
    segments.let_leave(made, by=None, now=LATER)
    assert inside(made) == set() and Segment.objects.get().held_back_at is None


def test_two_may_leave_a_segment_empty_and_so_may_all_whose_place_others_take():
    two = [person(country="DE") for _ in range(2)]
    made = segment()
    Person.objects.update(country="")
    assert segments.refresh(made, at=LATER, now=LATER) == segments.Difference(0, 2, 0)
    three = [person(country="FR") for _ in range(3)]
    Person.objects.filter(pk__in=[each.pk for each in three]).update(country="DE")
    segments.refresh(made, at=LATER, now=LATER)
    Person.objects.filter(pk__in=[each.pk for each in three]).update(country="FR")
    Person.objects.filter(pk=two[0].pk).update(country="DE")
    assert segments.refresh(made, at=LATER, now=LATER) == segments.Difference(1, 3, 0)


@pytest.mark.parametrize("fault", ["slow", "value", "field"])
def test_a_query_that_fails_removes_nobody_and_stops_no_other(fault, monkeypatch):
    ada, bob = person(country="DE"), person(country="DE")
    made, other = segment(), segment("Other")
    live.run_all(NOW)
    if fault == "field":
        Segment.objects.filter(pk=made.pk).update(condition={"field": "person.custom.gone", "op": "is", "value": "x"})
    else:
        real = comparing.difference

        def failing(some, *given, **named):
            if made.pk in [each.pk for each in some]:
                if fault == "slow":
                    raise reading.TooSlow
                rows(Sql("SELECT 10 ^ 100000"))
            return real(some, *given, **named)

        monkeypatch.setattr(comparing, "difference", failing)
    move(ada, "FR")
    live.run_all(LATER)
    assert inside(made) == {ada.pk, bob.pk}
    assert inside(other) == {bob.pk}
    made.refresh_from_db()
    assert made.failure and made.failed_at == LATER
    monkeypatch.undo()
    Segment.objects.filter(pk=made.pk).update(condition=FROM_GERMANY)
    later = LATER + timedelta(minutes=11)
    live.clock(later)
    made.refresh_from_db()
    assert jobs.run(made.job.pk, later)
    made.refresh_from_db()
    assert made.failure == "" and inside(made) == {bob.pk}, "it is tried again by itself"


def test_a_job_whose_condition_fails_says_so_in_words_and_removes_nobody():
    ada = person(country="DE")
    made = segment()
    Segment.objects.filter(pk=made.pk).update(condition={"field": "person.custom.gone", "op": "is", "value": "x"})
    made.refresh_from_db()
    job = segments.fill_later(made, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == "failed" and "there is no field “person.custom.gone”" in job.error
    assert inside(made) == {ada.pk}


# ---- asking ----


def test_a_past_day_is_asked_by_the_condition_and_of_a_list_by_who_was_in_it():
    ada = person(country="DE")
    move(ada, "FR")
    made = segment()
    assert inside(made) == set()
    past = {row[0] for row in rows(segments.members(made, at=days_ago(10)))}
    assert past == {ada.pk}
    fixed = segments.create_list("List", of="person", members=ids(ada.pk), by=None, now=NOW)
    assert rows(segments.members(fixed, at=NOW)) == []
    assert rows(segments.members(fixed, at=LATER)) == [(ada.pk,)]


def test_why_is_told_with_the_parts_that_hold_and_what_was_found():
    ada = person(country="DE")
    made = segment("Active Germans", {"all": [FROM_GERMANY, ACTIVE]})
    told = segments.why(made, ada.pk, at=LATER)
    assert told is not None and not told.held
    assert [(part.held, part.found) for part in told.parts] == [(True, "DE"), (False, "0")]
