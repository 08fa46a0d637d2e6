"""Time in stages against tables worked out by hand, the page and its doors, past days, spans compared, the identity."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from audience.activity import channels
from kit import installation
from lifecycle.ledger import stages
from lifecycle.models import Membership, Movement
from reporting import filling, funnel, known, loops, pace, plans
from reporting.addresses import read
from reporting.metrics import age, corrections, detour_value, first_touch, latest_time, neglect
from reporting.questions import ask
from reporting.stays import End
from reporting.windows import Compared, Window
from tests import factories
from tests.reporting.ledger import NOW, STAGES, TODAY, lifecycle, move, on, us_east, version, walk
from tests.reporting.test_known import histories
from tests.reporting.test_loops import send, winter
from tests.reporting.test_pages import doors, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
SPAN = {"from_": "2025-01-01", "to": "2025-02-01"}


def asked(through, start=1, end=32, **more):
    filling.fill(through, now=NOW)
    window = Window(on(start).date(), on(end).date())
    return ask(plans.read(through), window, TODAY, now=NOW).about(stage="mql", **more)


def crowd(through):
    """Seven in “mql”: on after 4, 10 and 20 days, recycled after 10, lost after 20; two are there still (Mar 1)."""
    walk(through, ("mql", 1), ("sql", 5), ("won", 9))
    walk(through, ("mql", 2), ("sql", 12))
    walk(through, ("lead", 1), ("mql", 3), ("won", 23))  # past “sql”
    walk(through, ("mql", 4), ("recycled", 14))
    walk(through, ("mql", 5), ("lost", 25))
    walk(through, ("mql", 10))  # Jan 10 to Mar 1: 50 days
    walk(through, ("mql", 30))  # 30 days
    walk(through, ("mql", 35))  # began in February


def test_survival_with_open_stays_and_what_ends_them():
    through = lifecycle()
    crowd(through)
    told = pace.answer(asked(through)).stays["mql"].curve
    # At risk 7 on day 4 (one ends), 6 on day 10 (two end), 4 on day 20 (two end); 30 and 50 days are open.
    assert [(step.day, step.at_risk) for step in told.steps] == [(4, 7), (10, 6), (20, 4)]
    assert [step.survival for step in told.steps] == pytest.approx([6 / 7, 4 / 7, 2 / 7])
    assert (told.of, told.open, told.reach, told.median) == (7, 2, 50, 20)
    assert told.incidence(End.ONWARD, 30) == pytest.approx(3 / 7)
    assert told.incidence(End.DETOUR, 30) == pytest.approx(1 / 7)
    assert told.incidence(End.OUT, 30) == pytest.approx(1 / 7)
    assert told.reached(End.ONWARD) is None


def test_pace_bottleneck_age_latest_and_cumulative_time():
    through = lifecycle()
    crowd(through)
    back = walk(through, ("mql", 6))
    send(back, 8, "Not now")
    move(back, "mql", 11)
    move(back, "sql", 15)
    answer = pace.answer(asked(through))
    assert answer.moved == {"lead": 1, "mql": 4, "sql": 1, "won": 0}
    assert answer.throughput == pytest.approx(6 / 31)
    assert (answer.speeds["mql"].count, answer.speeds["mql"].median) == (3, 9)  # 4, 9 and 10; won directly is no step
    place, speed = answer.bottleneck
    assert (place.slug, speed.count) == ("mql", 3)
    ages = age.by_stage(asked(through))["mql"]
    assert (ages.count, ages.at(1.0), ages.minimum) == (2, 21, 1)  # at the end of Jan 31
    latest, cumulative = latest_time.compute(asked(through))
    assert (latest.count, cumulative.count) == (8, 8)
    assert cumulative.mean * 8 - latest.mean * 8 == 2  # the first stay of whoever came back


def test_the_first_human_contact_is_told_in_working_hours():
    installation.put("zone", "UTC")
    channels.ensure_defaults(NOW)
    through = lifecycle()
    friday = date(2025, 1, 3)
    called, mailed, taken_back = (walk(through, ("mql", friday)) for _ in range(3))  # Friday noon
    monday = on(date(2025, 1, 6))
    factories.activity(called.person, monday, kind="call", channel="phone", direction="outbound")
    factories.activity(called.person, on(4), kind="call", channel="phone", direction="inbound")
    factories.activity(called.person, on(2), kind="call", channel="phone", direction="outbound")  # before
    factories.activity(mailed.person, monday, channel="email", direction="outbound")
    gone = factories.activity(taken_back.person, monday, channel="phone", direction="outbound")
    factories.activity(taken_back.person, on(20), reversal_of=gone)
    hours, untouched = first_touch.compute(asked(through))
    assert (hours.count, hours.median, untouched) == (1, 8, 2)  # five on Friday, three on Monday


def test_the_first_human_contact_is_told_in_hours_of_the_calendar_of_the_stage_it_was_in():
    us_east()
    channels.ensure_defaults(NOW)
    limited = [(slug, path, "sla" if slug == "mql" else kind) for slug, path, kind in STAGES]
    through = lifecycle()
    wednesday = datetime(2025, 1, 8, 9, tzinfo=UTC)
    for calendar in ("", "us_east"):
        version(through, stages_of=limited, calendar=calendar)
        called = walk(through, ("mql", wednesday))
        at = wednesday + timedelta(hours=7)  # in New York it is eleven in the morning
        factories.activity(called.person, at, kind="call", channel="phone", direction="outbound")
    hours, untouched = first_touch.compute(asked(through))
    assert (hours.count, hours.minimum, hours.mean, untouched) == (2, 2, 4.5, 0)


def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor):  # noqa: F811
    through = lifecycle()
    crowd(through)
    filling.fill(through, now=NOW)
    for more in ({}, {"as_of": "2025-01-20"}, {"as_of": "2025-01-20", "as_known": "then"}):
        response = page(visitor, "report_time", stage="mql", **SPAN, **more)
        found = {door[:2]: door for door in doors(response)}
        assert len(found) > 8 or "as_known" in more  # nothing of it had been written by then
        for url, metric, count, _shown in found.values():
            opened = visitor.get(url)
            assert opened.status_code == 200, url
            listed = re.search(r'(?:id="behind"|data-metric="list.total") data-count="(\d+)"', opened.content.decode())
            assert listed.group(1) == count, (metric, url)
    told = text(page(visitor, "report_time", stage="mql", **SPAN))
    assert "Bottleneck: “Mql”" in told and "Half of the stays in “Mql” have ended by day 20." in told


@pytest.mark.parametrize(
    "query", ["stage=%00", "stage=nope", "as_of=x", "lifecycle=%F0%9F", "from=9999-99-99", "compare=z"]
)
def test_odd_addresses_are_answered_kindly(visitor, query):  # noqa: F811
    filling.fill(lifecycle(), now=NOW)
    for path in ("time", "funnel", "loops"):
        assert visitor.get(f"/reports/{path}/?{query}").status_code == 200
    assert visitor.get(f"/operations/ledger/?{query}").status_code == 200


# ---- past days ----


def of_past(through, day, clock=""):
    plan = plans.read(through)
    given = {"from": "2025-01-01", "to": "2025-02-01", "as_of": on(day).date().isoformat(), "as_known": clock}
    return read(given, plan, TODAY, NOW).question


def test_a_late_import_does_not_rewrite_the_past_as_known_then_and_does_as_known_now():
    through = lifecycle()
    histories(through)  # of “sql” and “mql” much was written weeks after it happened
    filling.fill(through, now=NOW)

    def flows(question):
        with known.entries(question) as then:
            answer = funnel.answer(then)
        assert all(row.balances for row in answer.everybody.rows)
        return {row.place.slug: row.balance_end for row in answer.everybody.rows if row.balance_end}

    assert flows(of_past(through, 15, "then")) == {"lead": 1, "mql": 1, "sql": 1}
    assert flows(of_past(through, 15)) == {"lead": 2, "sql": 1, "won": 1}
    assert flows(of_past(through, 2)) == {"lead": 1}
    assert of_past(through, 15).window == Window(date(2025, 1, 1), date(2025, 1, 15))


def test_the_banner_names_the_past_and_leads_back(visitor):  # noqa: F811
    through = lifecycle()
    histories(through)
    filling.fill(through, now=NOW)
    response = page(visitor, "report_funnel", as_of="2025-01-15", as_known="then", **SPAN)
    assert "when Jan 15, 2025 began, as it was known then" in text(response)
    assert 'href="/reports/funnel/?from=2025-01-01&amp;to=2025-02-01"' in response.content.decode()
    assert "Keep the note" not in text(response)
    for url, metric, count, _shown in doors(response):
        assert metric == "excluded" or "as_of=2025-01-15&as_known=then" in url
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode() or not count


# ---- detours, spans, identity ----


def test_what_a_detour_is_worth_is_worked_out_by_hand():
    through = lifecycle()
    winter(through)
    installation.put("currency", "EUR")
    by_reason = {each.membership_id: each for each in Movement.objects.filter(reason="Not now")}
    winner = Membership.objects.get(pk=min(by_reason))
    factories.deal(winner.person, on(3), on(30), amount=1200_00, currency="EUR")
    factories.deal(winner.person, on(2), on(4), amount=99_00, currency="EUR")  # won before they were sent
    question = asked(through).about(stage="", target="")
    answer = loops.answer(asked(through, target="sql"))
    loop = answer.by_detour["recycled"]
    assert (loop.sent, loop.back.total(), loop.away, loop.won) == (5, 3, 1, 1)
    worth = detour_value.by_detour(question)["recycled"]
    assert (worth.returned, worth.deals, worth.amount) == (1, 1, 1200_00)
    assert neglect.compute(loop.away, loop.back.total(), worth) == pytest.approx(1 * (1 / 3) * 1200_00)
    assert neglect.compute(3, 0, worth) is None


def test_a_span_is_compared_with_as_many_days(visitor):  # noqa: F811
    assert Window(date(2025, 4, 1), date(2025, 7, 1)).before(Compared.PREVIOUS) == Window(
        date(2024, 12, 31), date(2025, 4, 1)
    )
    assert Window(date(2024, 2, 29), date(2024, 3, 1)).before(Compared.YEAR) == Window(
        date(2023, 2, 28), date(2023, 3, 1)
    )
    through = lifecycle()
    walk(through, ("lead", date(2024, 12, 20)))
    for day in (3, 4):
        walk(through, ("lead", day))
    filling.fill(through, now=NOW)
    told = text(page(visitor, "report_funnel", compare="previous", **SPAN))
    assert "Jan 1, 2025 – Jan 31, 2025 beside Dec 1, 2024 – Dec 31, 2024: 31 days each" in told
    assert re.search(r"Compared .* Lead 2 1 0 0 2 1", told)


def test_whoever_came_twice_is_one_subject(visitor):  # noqa: F811
    through = lifecycle()
    twice = walk(through, ("mql", 2))
    send(twice, 5, "Not now")
    move(twice, "mql", 9)
    walk(through, ("mql", 3))
    filling.fill(through, now=NOW)
    response = page(visitor, "report_funnel", count="subjects", **SPAN)
    assert re.search(r"Different subjects .* Mql 0 2 1 2 ", text(response)) and re.search(
        r"Mql 0 3 1 2 ", text(response)
    )
    for url, _metric, count, _shown in [door for door in doors(response) if door[1] == "subjects"]:
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode(), url


def test_the_identity_opens_every_term_and_tells_corrections_apart(visitor):  # noqa: F811
    through = lifecycle()
    member = walk(through, ("lead", 2), ("mql", 10))
    merged = walk(through, ("lead", 3))
    assert stages.move(merged, to=None, reason="", by=None, at=on(20), now=NOW, kind=Movement.Kind.MERGE)
    filling.fill(through, now=NOW)
    assert corrections.by_stage(asked(through)) == {("lead", "merge_out"): 1}
    response = page(visitor, "ledger", **SPAN)
    told = text(response)
    assert "out by a merge" in told and "does not add up" not in told
    assert re.search(r"Lead 0 2 2 0 1", told)
    for url, _metric, count, _shown in doors(response):
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode(), url
    assert member.pk
