"""A version that takes over moves nobody by itself: loops, hand-offs, funnel and time say the same before and after."""

from datetime import date, timedelta

import pytest

from kit import jobs
from kit.sql import sql, value
from lifecycle.editions import migrating, versions
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from reporting import filling, funnel, handoffs, loops, metrics, pace, plans
from reporting.questions import ask
from reporting.windows import Window
from tests.factories import draft, person, published
from tests.reporting.ledger import on, reader
from tests.reporting.test_pages import doors

pytestmark = pytest.mark.django_db
SALES = """
lifecycle: sales
name: Sales
species: net_new
entry: {field: person.country, op: is, value: DE}
stages:
  - {slug: lead, name: Lead}
  - {slug: mql, name: MQL, kind: sla, limit_hours: 16}
  - {slug: sal, name: SAL}
  - {slug: sql, name: SQL}
  - {slug: won, name: Won, kind: terminal}
  - {slug: recycled, name: Recycled, path: detour}
transitions:
  - {from: lead, to: mql, by_hand: true}
  - {from: mql, to: sal, by_hand: true}
  - {from: sal, to: sql, by_hand: true}
  - {from: sql, to: won, by_hand: true}
  - {from: any, to: recycled, by_hand: true}
  - {from: recycled, to: lead, by_hand: true}
"""
NOW, THEN = on(date(2025, 3, 1)), on(date(2025, 2, 20))
# MQLs are taken for SALs, those on the detour for leads, and SQLs are sent on the detour.
MOVED = {"mql": "sal", "recycled": "lead", "sql": "recycled"}


def walk(version, *steps):
    someone = person()
    for slug, day in steps:
        to = version.stages.get(slug=slug)
        member = Membership.objects.filter(person=someone, ended_at=None).first()
        if member is None:
            assert stages.place(someone.pk, version, to=to, reason="", by=None, at=on(day), now=on(day))
        else:
            assert stages.move(member, to=to, reason="Not now", by=None, at=on(day), now=on(day))
    return Membership.objects.get(person=someone)


def winter(version):
    """Seven histories of January 2025."""
    return {
        "waits": walk(version, ("lead", 2), ("mql", 13)),
        "accepted": walk(version, ("lead", 2), ("mql", 6), ("sal", 7)),
        "away": walk(version, ("lead", 2), ("mql", 6), ("recycled", 8)),
        "back": walk(version, ("lead", 2), ("recycled", 5), ("lead", 15)),
        "qualified": walk(version, ("lead", 2), ("mql", 6), ("sal", 7), ("sql", 20)),
        "won": walk(version, ("lead", 2), ("recycled", 4), ("mql", 9), ("sal", 10), ("sql", 12), ("won", 14)),
        "lead": walk(version, ("lead", 20)),
    }


def asked(version, start=date(2025, 1, 1), end=date(2025, 3, 1)):
    filling.fill(version.lifecycle, now=NOW)
    return ask(plans.read(version.lifecycle), Window(start, end), NOW.date(), now=NOW)


def told(version):
    """What reports say of winter, but for who is where now."""
    question = asked(version)
    plan = question.plan
    answer = loops.answer(loops.of_stage(question, plan.place("lead"), None))
    hand = handoffs.answer(question.about(stage="mql", target="sql")).everybody
    rows = {row.place.slug: row for row in funnel.answer(question).everybody.rows}
    times = pace.answer(question.about(stage="lead"))
    return {
        "loops": {
            stage: (loop.sent, dict(loop.back), loop.won, dict(loop.lengths)) for stage, loop in answer.by_stage.items()
        },
        "wins": (answer.wins.hits, answer.wins.of),
        "entries": dict(answer.entries),
        "offered": hand.offered,
        "accepted": (hand.outcomes["accepted"], hand.outcomes["rejected"], hand.outcomes["expired"]),
        "reached": hand.reached,
        "deadlines": (hand.met, hand.missed),
        "flows": {
            slug: (row.in_flow, row.out_flow, row.next_step, row.any_order, row.stays.median)
            for slug, row in rows.items()
        },
        "throughput": times.throughput,
        "speeds": {slug: speed.median for slug, speed in times.speeds.items()},
        "touched": times.untouched,
    }


def taken_over(version, moves=6):
    second = draft(SALES.replace("name: Sales", "name: Sales again"), THEN)
    migrating.decide(second, MOVED, reason="", by=None, now=THEN)
    job = versions.publish(second, by=None, now=THEN)
    jobs.run(job.pk, THEN)
    job.refresh_from_db()
    assert job.state == "done", job.error
    assert Movement.objects.filter(kind="migration").count() == moves
    second.refresh_from_db()
    return second


def test_what_reports_say_is_the_same_before_and_after():
    version = published(SALES)
    members = winter(version)
    before = told(version)
    assert before["loops"] == {"lead": (2, {"lead": 1, "mql": 1}, 1, {10: 1, 5: 1}), "mql": (1, {}, 0, {})}
    assert before["accepted"] == (3, 1, 0) and before["offered"] == 5
    second = taken_over(version)
    slugs = {name: Membership.objects.get(pk=member.pk).stage.slug for name, member in members.items()}
    assert slugs == {
        "waits": "sal", "accepted": "sal", "away": "lead", "back": "lead", "qualified": "recycled", "won": "won",
        "lead": "lead",
    }  # fmt: skip
    assert told(second) == before


def test_a_hand_off_that_it_ended_is_neither_accepted_nor_missed_before_its_deadline_and_who_it_brought_is_no_offer():
    version = published(SALES)
    winter(version)
    walk(version, ("lead", 2), ("mql", date(2025, 2, 20) - timedelta(days=1)))
    second = taken_over(version, 7)
    question = asked(second).about(stage="mql", target="sql")
    hand = handoffs.answer(question).everybody
    assert (hand.offered, hand.outcomes["otherwise"], hand.outcomes["waiting"]) == (6, 2, 0)
    assert (hand.met, hand.missed, hand.late, hand.coming) == (4, 1, 0, 0), "whoever waited since January had missed it"


def test_whoever_it_took_from_a_detour_is_neither_away_nor_back_and_whom_it_sent_there_was_not_sent():
    version = published(SALES)
    members = winter(version)
    second = taken_over(version)
    away = members["away"]
    away.refresh_from_db()
    stages.move(away, to=second.stages.get(slug="mql"), reason="", by=None, at=on(date(2025, 2, 25)), now=NOW)
    qualified = members["qualified"]
    qualified.refresh_from_db()
    stages.move(qualified, to=second.stages.get(slug="lead"), reason="", by=None, at=on(date(2025, 2, 25)), now=NOW)
    answer = loops.answer(loops.of_stage(asked(second), plans.read(second.lifecycle).place("lead"), None))
    assert (answer.everybody.sent, answer.everybody.away, answer.everybody.back.total()) == (3, 0, 2)


@pytest.mark.parametrize("name", ["throughput", "recycled", "first_and_repeat", "first_touch", "acceptance", "onward"])
def test_each_figure_and_its_list_leave_out_the_same(name):
    version = published(SALES)
    winter(version)
    before = asked(version).about(stage="sal", target="sql")
    metric = metrics.ALL[name]
    parts = [part for part in metric.parts or ("figure",) if part not in ("away", "still", "waiting")]

    def counted(question):
        return {part: value(sql("SELECT count(*) FROM ({}) behind", metric.people(question, part))) for part in parts}

    first = counted(before)
    second = taken_over(version)
    assert counted(asked(second).about(stage="sal", target="sql")) == first


def test_stays_that_it_ended_are_seen_up_to_that_day_and_told_apart():
    """By hand: five stays as MQL lasted 1, 1, 1 and 2 days, and one was taken over after 38 (13 January, 20 February)."""
    version = published(SALES)
    winter(version)
    second = taken_over(version)
    question = asked(second).about(stage="mql")
    stays = pace.answer(question).stays["mql"]
    assert {end.value: sorted(pairs) for end, pairs in stays.ended.items()} == {"onward": [(1, 3)], "detour": [(2, 1)]}
    assert (stays.still, stays.cut) == ([], [(38, 1)])
    told = stays.curve
    assert [(step.day, step.at_risk, step.survival) for step in told.steps] == [
        (1, 5, pytest.approx(2 / 5)), (2, 2, pytest.approx(2 / 5 * 1 / 2)),
    ]  # fmt: skip
    assert (told.of, told.open, told.cut, told.reach) == (5, 0, 1, 38)
    assert told.survival(38) == pytest.approx(1 / 5) and told.survival(39) is None, "nothing was seen so long"
    assert told.incidence("onward", 38) == pytest.approx(3 / 5) and told.incidence("other", 38) == 0
    assert behind("survival", question, "figure") == 5 and behind("survival", question, "cut") == 1
    assert [behind("onward", question, part) for part in ("figure", "detour", "back", "out", "other")] == [
        3,
        1,
        0,
        0,
        0,
    ]


def test_a_stage_that_the_next_version_has_too_is_one_stay_that_is_still_open():
    """By hand: lead since 20 January is 40 days on 1 March; the one back on the 15th was 45, and is one stay as well."""
    version = published(SALES)
    winter(version)
    second = taken_over(version)
    leads = pace.answer(asked(second).about(stage="lead")).stays["lead"]
    assert dict(leads.still)[40] == 1 and dict(leads.still)[45] == 1
    assert dict(leads.still)[9] == 1, "whom it brought from the detour begins on 20 February"
    assert leads.cut == []


def test_what_another_version_ended_has_a_column_that_opens_its_stays(client):
    version = published(SALES)
    winter(version)
    client.force_login(reader())
    asked_for = {"from": "2025-01-01", "to": "2025-03-01", "stage": "mql"}
    filling.fill(version.lifecycle, now=NOW)
    assert "Ended by another version" not in client.get("/reports/time/", asked_for).content.decode()
    asked(taken_over(version))
    shown = client.get("/reports/time/", asked_for)
    assert "Ended by another version" in shown.content.decode()
    found = [door for door in doors(shown) if door[1] == "survival" and "part=cut" in door[0]]
    assert sorted(count for _url, _metric, count, _text in found) == ["0", "0", "1", "1", "1"], (
        "MQLs, SQLs, one on the detour"
    )
    for url, _metric, count, _text in found:
        assert f'id="behind" data-count="{count}"' in client.get(url).content.decode(), url
    assert "Ended by another version" in b"".join(
        client.get("/reports/time/", asked_for | {"export": "csv"}).streaming_content
    ).decode()  # fmt: skip


def behind(name, question, part):
    """How many rows the list behind a figure has."""
    return value(sql("SELECT count(*) FROM ({}) behind", metrics.ALL[name].people(question, part)))
