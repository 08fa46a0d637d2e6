"""Stored scores: a live run gives whom it judges what a full run would, and the clock finds whom time alone changes."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from audience import live
from audience.models import Activity, Field, FieldChange, Person
from kit import installation, jobs
from kit.sql import rows, sql
from scoring import compiling, rules, running, versions
from scoring.models import Rule, Score, ScoreChange, ScoringModel, ScoringVersion
from tests.factories import NOW, account, activity, days_ago, person
from tests.scoring.making import LEAD, draft, published, stored, text_of
from tests.scoring.test_compiling import CHANNELS, KINDS, some_people, some_reasons

pytestmark = pytest.mark.django_db

TICK = live.INSTANT


def computed(version, at):
    return {row[0]: row[1:] for row in rows(compiling.totals(rules.read(version), at=at))}


def judge(*subjects, at=NOW + TICK, now=NOW):
    running.judge(sql("SELECT unnest({}::bigint[]) AS subject_id", [each.pk for each in subjects]), at=at, now=now)


def test_publishing_scores_everybody_and_writes_down_who_has_points_now():
    hot, cold = person(title="Director", country="DE"), person()
    activity(hot, days_ago(0.01), "demo_requested")
    version = published()
    assert version.state == "published" and version.published_at == NOW
    assert stored() == computed(version, NOW + TICK)
    assert {cold.pk, hot.pk} == set(stored())
    change = ScoreChange.objects.get()
    assert (change.subject_id, change.old_shown, change.shown) == (hot.pk, 0, 71)
    assert (change.old_grade, change.grade) == ("D", "A")
    assert (change.occurred_at, change.recorded_at) == (NOW + TICK, NOW)


def test_a_second_full_run_writes_nothing():
    hot = person(title="Director")
    activity(hot, days_ago(1), "demo_requested")
    version = published()
    before = list(Score.objects.values_list("pk", "total"))
    assert running.full(version.model, at=NOW + TICK, now=NOW)["changed"] == 0
    assert list(Score.objects.values_list("pk", "total")) == before
    assert ScoreChange.objects.count() == 1


def test_the_judge_brings_those_it_is_asked_for_up_to_date_and_nobody_else():
    one, other = person(), person()
    version = published()
    activity(one, days_ago(0.1), "demo_requested")
    activity(other, days_ago(0.1), "demo_requested")
    judge(one)
    assert {change.subject_id for change in ScoreChange.objects.all()} == {one.pk}
    judge(other)
    assert stored() == computed(version, NOW + TICK)


def test_a_fact_is_in_the_score_after_one_live_run():
    someone = person()
    version = published()
    live.run_all(NOW)
    later = NOW + timedelta(hours=1)
    activity(someone, NOW + timedelta(minutes=59), "content_downloaded")
    assert live.run_all(later) == 1
    assert Score.objects.get().shown == 5
    assert stored() == computed(version, later + TICK)


def test_whoever_is_erased_loses_the_score_and_keeps_the_ledger():
    someone = person(title="Director")
    published()
    type(someone).objects.filter(pk=someone.pk).update(erased_at=NOW)
    judge(someone)
    assert not Score.objects.exists() and ScoreChange.objects.count() == 1


def test_at_local_midnight_every_fading_score_is_brought_up_to_date():
    installation.put("zone", "America/New_York")
    someone = person()
    activity(someone, days_ago(0.1), "demo_requested")
    version = published()  # 06:00 in New York
    assert Score.objects.get().total == 40_000_000
    running.clock(datetime(2025, 6, 16, 3, 59, tzinfo=UTC))
    assert Score.objects.get().total == 40_000_000
    midnight = datetime(2025, 6, 16, 4, 0, 30, tzinfo=UTC)
    running.clock(midnight)
    assert Score.objects.get().total == 39_086_399  # 40 × 0.5^(1/30)
    assert stored() == computed(version, midnight + TICK)


def test_within_a_day_the_clock_marks_those_whose_points_expire_and_nobody_else():
    text = """
model: lead
name: Lead
rules: [{name: Visit, points: 5, did: {kind: page_visited}, expires: 30}]
"""
    soon, later = person(), person()
    activity(soon, days_ago(30) + timedelta(minutes=5))
    activity(later, days_ago(20))
    version = published(text)
    live.run_all(NOW)
    ten_minutes_on = NOW + timedelta(minutes=10)
    running.clock(ten_minutes_on)
    assert live.run_all(ten_minutes_on) == 1
    assert stored() == computed(version, ten_minutes_on + TICK)
    assert Score.objects.get(person=soon).shown == 0


def test_a_fact_written_down_ahead_of_its_time_counts_when_its_time_has_come():
    someone = person()
    version = published()
    activity(someone, NOW + timedelta(hours=2), "content_downloaded", recorded_at=NOW)
    live.run_all(NOW + timedelta(minutes=1))
    assert Score.objects.get().shown == 0
    running.clock(NOW + timedelta(hours=3))
    live.run_all(NOW + timedelta(hours=3))
    assert Score.objects.get().shown == 5
    assert stored() == computed(version, NOW + timedelta(hours=3) + TICK)


def test_a_version_takes_over_on_its_day():
    someone = person(title="Director")
    published()
    second = draft(LEAD.replace("points: 20", "points: 7") + "\neffective_from: 2025-06-17\n")
    jobs.run(versions.publish(second, by=None, now=NOW).pk, NOW)
    assert Score.objects.get().shown == 20
    the_day = datetime(2025, 6, 17, 0, 0, 30, tzinfo=UTC)
    running.clock(the_day)
    assert Score.objects.get().shown == 7
    assert ScoringModel.objects.get().scored_by == second
    assert [change.version_id for change in ScoreChange.objects.order_by("pk")][-1] == second.pk
    assert someone.pk == Score.objects.get().subject_id


def test_a_changed_score_is_marked_for_those_whom_it_concerns():
    someone = person(title="Director")
    person()
    live.run_all(NOW)
    published()
    assert rows(sql("SELECT DISTINCT subject_id FROM audience_dirty")) == [(someone.pk,)]


def test_people_and_accounts_are_scored_by_the_models_of_their_own():
    someone, firm = person(), account(industry="Food")
    published()
    published(
        "model: firm\nname: Firm\nof: account\nrules:\n"
        "  - {name: Food, points: 9, fit: {field: account.industry, op: is, value: food}}\n"
    )
    judge(someone, firm)
    assert {(each.model.slug, each.subject) for each in Score.objects.select_related("model", "person", "account")} == {
        ("lead", someone), ("firm", firm),
    }  # fmt: skip
    assert Score.objects.get(account=firm).shown == 9


def test_a_job_done_twice_scores_once():
    person(title="Director")
    version = draft()
    job = versions.publish(version, by=None, now=NOW)
    assert jobs.run(job.pk, NOW)
    assert not jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert (job.state, job.result) == ("done", {"scored": 1, "changed": 1, "link": "/scoring/lead/"})


def test_a_model_whose_rules_fail_stands_still_alone_and_says_why():
    someone = person(title="Director", custom={"size": "big"})
    asked = Field.objects.create(slug="size", label="Size", type="text", of="person", created_at=NOW)
    published()
    published(
        LEAD.replace("model: lead", "model: odd").replace("person.country", "person.custom.size").replace("DE", "big")
    )
    asked.delete()
    activity(someone, days_ago(0.1), "demo_requested")
    live.run_all(NOW)
    assert Score.objects.get(model__slug="lead").shown == 60
    assert "person.custom.size" in ScoringModel.objects.get(slug="odd").fault
    assert ScoringModel.objects.get(slug="lead").fault == ""
    Field.objects.create(slug="size", label="Size", type="text", of="person", created_at=NOW)
    running.clock(NOW + timedelta(minutes=1))
    live.run_all(NOW + timedelta(minutes=1))
    assert ScoringModel.objects.get(slug="odd").fault == ""
    assert Score.objects.get(model__slug="odd").shown == 71


# ---- held by the database ----


def test_a_published_rule_and_threshold_never_change_and_changes_are_never_lost():
    person(title="Director")
    version = published()
    for change in (
        lambda: Rule.objects.filter(version=version).update(points=1),
        lambda: Rule.objects.filter(version=version).delete(),
        lambda: ScoringVersion.objects.filter(pk=version.pk).update(limit=1),
        lambda: ScoreChange.objects.update(shown=1),
        lambda: ScoreChange.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


# ---- at random ----


@pytest.mark.parametrize("seed", range(10))
def test_living_through_it_equals_scoring_everybody_at_any_moment(seed):
    """Facts late, early and reversed, changes of fields, days and clock changes: after each step all scores are true."""
    chance = random.Random(seed)
    installation.put("zone", chance.choice(["Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu"]))
    begin = datetime(2025, 3, 20, tzinfo=UTC)
    reasons, caps = some_reasons(chance)
    people = some_people(chance, 6, begin - timedelta(days=60), 60)
    at = begin + timedelta(minutes=chance.randrange(1440))
    version = published(text_of(reasons, caps), now=at)
    for _step in range(14):
        at += timedelta(minutes=chance.choice([1, 7, 60, 200, 700, 1441, 3000]))
        who = Person.objects.get(pk=chance.choice(people).pk)
        for _ in range(chance.randrange(3)):
            when = at - timedelta(minutes=chance.choice([0, 1, 500, 5000, 100_000, -30, -2000]))
            done = activity(who, when, chance.choice(KINDS), channel=chance.choice(CHANNELS), recorded_at=at)
            if chance.random() < 0.3:
                Activity.objects.create(
                    person=who, kind=done.kind, reversal_of=done, occurred_at=max(when, at), recorded_at=at,
                    source="tests", external_id=f"r{done.pk}",
                )  # fmt: skip
        if chance.random() < 0.4:
            FieldChange.objects.create(
                person=who, field="country", old=who.country, source="x", occurred_at=at, recorded_at=at
            )
            Person.objects.filter(pk=who.pk).update(country=chance.choice(["DE", "FR", ""]))
        if chance.random() < 0.2:
            Person.objects.create(country="DE", first_seen_at=at, created_at=at)
        for call in chance.sample([live.clock, live.run_all, live.clock], 3):
            call(at)
        live.run_all(at)
        live.clock(at)
        live.run_all(at)
        assert stored() == computed(version, at + TICK)
