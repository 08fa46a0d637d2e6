"""Hand-offs against tables counted by hand, and every figure of their page against its list."""

import html
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse

from audience.models import FieldChange, Person
from audience.subjects import owners
from kit import installation
from kit.models import User
from kit.sql import Sql, sql
from lifecycle.engine import live
from lifecycle.ledger import stages
from lifecycle.models import Movement
from reporting import filling, handoffs, metrics, plans
from reporting.offers import Outcome, Speed
from reporting.questions import ask
from reporting.splits import find
from reporting.windows import Window
from tests import factories
from tests.factories import published
from tests.lifecycle.handoffs.making import HANDING, handed
from tests.reporting.ledger import NOW, TODAY, lifecycle, on, us_east, version, walk
from tests.reporting.test_pages import doors, exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

STAGES = (
    ("lead", "success", "inventory"),
    ("mql", "success", "sla"),
    ("sal", "success", "inventory"),
    ("sql", "success", "inventory"),
    ("won", "success", "terminal"),
    ("recycled", "detour", "inventory"),
    ("lost", "detour", "terminal"),
)


def sales():
    """A lifecycle whose MQLs are due after 16 working hours: two working days, of eight hours."""
    return lifecycle(stages_of=STAGES)


def at(day, hour=12, minute=0):
    """An instant in January 2025; the 6th is a Monday."""
    return datetime(2025, 1, day, hour, minute, tzinfo=UTC)


def sent(through, *steps, kind=Movement.Kind.HAND, reason="", **values):
    """Somebody is walked to MQL; the last step is made in this way, for this reason."""
    *before, (slug, when) = steps
    member = walk(through, *before, **values)
    member.refresh_from_db()
    to = member.version.stages.get(slug=slug) if slug else None
    assert stages.move(member, to=to, reason=reason, by=None, at=when, now=NOW, kind=kind)
    return member


def january(through):
    """Eight offers in January 2025, and one before it."""
    walk(through, ("lead", at(2)), ("mql", at(6, 9)), ("sal", at(6, 15)), ("sql", at(9)), country="DE")  # 6 h
    walk(through, ("mql", at(6, 9)), ("sal", at(7, 17)), country="DE")  # 32 h, in time to the minute
    walk(through, ("mql", at(6, 9)), ("sal", at(7, 17, 1)), ("sql", at(20)), country="FR")  # 32 h, a minute late
    walk(through, ("mql", at(10, 16)), ("sql", at(20, 16)), country="FR")  # ten days, past the next stage
    sent(through, ("mql", at(13, 9)), ("recycled", at(13, 12)), reason="Not now", country="FR")  # rejected in time
    sent(through, ("mql", at(13, 9)), ("", at(24, 9)), reason="Wrong contact", country="FR")
    sent(through, ("mql", at(13, 9)), ("recycled", at(27, 9)), kind=Movement.Kind.RULE, reason="Silent", country="DE")
    walk(through, ("mql", at(30, 9)), country="DE")  # waits, due on the 31st at 17:00
    walk(through, ("mql", datetime(2024, 12, 31, 9, tzinfo=UTC)), ("sal", at(1, 12)))  # due on 1 January, left before


def asked(through, start=1, end=32, split=None, now=NOW):
    filling.fill(through, now=NOW)
    plan = plans.read(through)
    question = ask(plan, Window(on(start).date(), on(end).date()), TODAY, split=split, now=now)
    return question.about(stage="mql", target="sql")


def test_what_became_of_the_offers_of_january_is_as_counted_by_hand():
    through = sales()
    january(through)
    body = handoffs.answer(asked(through)).everybody
    assert body.offered == 8
    assert body.outcomes == {Outcome.ACCEPTED: 4, Outcome.REJECTED: 2, Outcome.EXPIRED: 1, Outcome.WAITING: 1}
    assert body.reached == 3
    assert (body.hours.count, body.hours.median, body.hours.p90) == (4, 32, 240)


def test_deadlines_of_january_are_met_or_missed_on_the_working_calendar():
    through = sales()
    january(through)
    body = handoffs.answer(asked(through)).everybody
    # Met: two accepted, one rejected within hours, one of December. Missed: a minute late, ten days, and two sent back
    # late; the last one waits past its deadline.
    assert (body.met, body.missed, body.late, body.coming) == (4, 5, 1, 0)
    early = handoffs.answer(asked(through, now=at(31, 10))).everybody
    assert (early.met, early.missed, early.late, early.coming) == (4, 4, 0, 1)


def owned_january(through):
    """Eight offers, of Ina, of Bob, of whoever has the account, and of nobody; two changed hands since."""
    ina, bob = (User.objects.create_user(f"{name}@example.com", "x", name=name.title()) for name in ("ina", "bob"))
    works = factories.account(owner=bob)
    walk(through, ("mql", at(6, 9)), ("sal", at(7, 9)), owner=ina)  # in time
    walk(through, ("mql", at(6, 9)), ("sal", at(9, 9)), owner=ina)  # a day late
    walk(through, ("mql", at(10, 9)), owner=ina)  # past due
    given = walk(through, ("mql", at(13, 9)), ("sal", at(13, 12)), owner=ina)  # in time, and Bob's today
    walk(through, ("mql", at(14, 9)), ("recycled", at(15, 9)), account=works)  # of the account's owner: in time
    walk(through, ("mql", at(14, 9)), owner=bob)  # past due
    moved = walk(through, ("mql", at(15, 9)), account=works)  # in an account without an owner by then: past due
    walk(through, ("mql", at(30, 9)))  # nobody's, due on the 31st at 17:00: late by the end
    one = Sql("SELECT {}::bigint AS subject_id")
    owners.give(Person, sql(one.text, given.subject_id), bob, by=None, now=at(14))
    FieldChange.objects.create(person=moved.person, field="account", old=str(factories.account().pk), source="tests",
                               occurred_at=at(20), recorded_at=at(20))  # fmt: skip
    return ina, bob


def test_deadlines_by_owner_as_of_the_arrival_are_as_counted_by_hand_and_add_up():
    through = sales()
    ina, bob = owned_january(through)
    found = handoffs.answer(asked(through))
    told = [(each.name, each.body.offered, each.body.met, each.body.missed, each.body.late) for each in found.owners]
    assert told == [("Ina", 4, 2, 2, 1), ("Bob", 2, 1, 1, 1), ("", 2, 0, 2, 2)]
    for name in ("offered", "met", "missed", "late", "coming", "reached"):
        assert sum(getattr(each.body, name) for each in found.owners) == getattr(found.everybody, name), name
    narrowed = handoffs.answer(asked(through).about(owner=str(bob.pk))).everybody
    assert (narrowed.offered, narrowed.met, narrowed.missed) == (2, 1, 1)


def test_the_page_shows_owners_and_every_number_opens_its_people(visitor):  # noqa: F811
    through = sales()
    ina, _bob = owned_january(through)
    filling.fill(through, now=NOW)
    response = page(visitor, "report_handoffs", from_="2025-01-01", to="2025-02-01")
    told = text(response)
    assert "Whose they were" in told and "Owner Offered Accepted Deadlines Met Attainment Missed Past due" in told
    found = [door for door in doors(response) if "owner" in door[0]]
    assert any(f"owner={ina.pk}" in url for url, *_rest in found) and any("owner_empty=1" in url for url, *_r in found)
    for url, metric, count, _shown in found:
        opened = visitor.get(html.unescape(url))
        assert re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1) == count, (metric, url)
    bad = visitor.get(html.unescape(found[0][0]) + "&owner=ina")
    assert bad.status_code == 404 and "no user" in text(bad)


RECYCLES = "missed: stay}, when_missed: {to: recycled, reason: Nobody answered}"


def test_whom_the_missed_limit_itself_recycles_has_missed_it():
    made = published(HANDING.replace("missed: MISSED}", RECYCLES))
    offer = handed(made, turn=False)
    after = offer.due_at + timedelta(days=1)
    live.judge(sql("SELECT {}::bigint AS subject_id", offer.membership.subject_id), at=after, now=after)
    assert Movement.objects.latest("pk").occurred_at == offer.due_at
    filling.fill(made.lifecycle, now=after)
    plan = plans.read(made.lifecycle)
    question = ask(plan, Window(date(2025, 6, 1), date(2025, 7, 1)), date(2025, 7, 2), now=after)
    body = handoffs.answer(question.about(stage="mql", target="won")).everybody
    assert (body.met, body.missed, body.late, body.outcomes[Outcome.EXPIRED]) == (0, 1, 0, 1)


def test_holidays_give_more_time():
    installation.put("holidays", ["2025-01-07"])
    through = sales()
    january(through)
    assert handoffs.answer(asked(through)).everybody.met == 5


def test_conversion_by_speed_and_reasons():
    through = sales()
    january(through)
    found = handoffs.answer(asked(through))
    assert {speed: (share.hits, share.of) for speed, share in found.by_speed.items()} == {
        Speed.DAY: (1, 1), Speed.DAYS: (1, 2), Speed.LATER: (1, 1),
    }  # fmt: skip
    assert found.rejected == (("Not now", 1), ("Wrong contact", 1))


def test_buckets_add_up_to_everybody():
    through = sales()
    january(through)
    found = handoffs.answer(asked(through, split=find("country", "person")))
    assert [(value, body.offered) for value, body in found.buckets] == [("DE", 4), ("FR", 4), ("", 0)]
    for name in ("offered", "met", "missed", "late", "coming", "reached"):
        assert sum(getattr(body, name) for _value, body in found.buckets) == getattr(found.everybody, name)


@pytest.mark.parametrize("more", [{}, {"split": "person.country"}])
def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor, more):  # noqa: F811
    through = sales()
    january(through)
    filling.fill(through, now=NOW)
    response = page(visitor, "report_handoffs", from_="2025-01-01", to="2025-02-01", **more)
    found = {door[:2]: door for door in doors(response)}
    assert {metric for _, metric in found} == {"acceptance", "attainment", "time_to_accept", "accepted_so_fast"}
    for url, metric, count, _shown in found.values():
        opened = visitor.get(html.unescape(url))
        assert opened.status_code == 200, url
        assert re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1) == count, (metric, url)
        assert len(exported(visitor.get(f"{url}&export=csv"))) - 1 == int(count), url


def test_the_page_says_what_it_counts_and_gives_a_file(visitor):  # noqa: F811
    through = sales()
    january(through)
    filling.fill(through, now=NOW)
    asked_for = {"from_": "2025-01-01", "to": "2025-02-01"}
    told = text(page(visitor, "report_handoffs", **asked_for))
    assert "few: 50.0%, 4 of 8" in told
    assert "16 working hours after the offer" in told
    assert "Wrong contact 1" in told
    assert str(metrics.ALL["attainment"].definition) in told
    lines = exported(page(visitor, "report_handoffs", export="csv", split="person.country", **asked_for))
    assert lines[1] == ["Everybody", "8", "4", "2", "1", "0", "1", "1.33", "10.0", "3", "4", "5", "1", "0"]
    assert [line[0] for line in lines[2:]] == ["DE", "FR", "(empty)"]


def test_the_list_of_rejected_says_why_and_when(visitor):  # noqa: F811
    through = sales()
    january(through)
    filling.fill(through, now=NOW)
    asked_for = {"lifecycle": "sales", "metric": "acceptance", "part": "rejected", "stage": "mql"}
    told = text(page(visitor, "report_people", reason="Not now", from_="2025-01-01", to="2025-02-01", **asked_for))
    assert "Not now" in told
    assert "Wrong contact" not in told
    assert "1 different subject" in told


def test_without_a_stage_that_has_a_limit_the_page_says_what_one_is(visitor):  # noqa: F811
    lifecycle()
    told = text(page(visitor, "report_handoffs"))
    assert "No stage has a limit yet" in told


def test_a_span_without_offers_says_so(visitor):  # noqa: F811
    through = sales()
    filling.fill(through, now=NOW)
    told = text(page(visitor, "report_handoffs", from_="2025-01-01", to="2025-02-01", stage="nowhere"))
    assert "Nobody was handed over in this time span" in told
    assert "There is no stage “nowhere” to choose here" in told


def test_the_statements_of_the_page_are_counted(visitor, django_assert_num_queries):  # noqa: F811
    through = sales()
    january(through)
    filling.fill(through, now=NOW)
    asked_for = {"from_": "2025-01-01", "to": "2025-02-01"}
    visitor.get(reverse("report_handoffs"))
    with django_assert_num_queries(29):
        page(visitor, "report_handoffs", **asked_for)


def test_the_deadlines_of_each_version_s_stage_count_on_its_own_calendar(visitor):  # noqa: F811
    """By the settings an offer of Wednesday at nine is due on Thursday at 17:00 UTC; in New York five hours later."""
    us_east()
    through = sales()
    walk(through, ("mql", at(8, 9)), ("sal", at(9, 17)))  # in time to the minute
    walk(through, ("mql", at(8, 9)), ("sal", at(9, 21)))  # late
    version(through, stages_of=STAGES, calendar="us_east")
    walk(through, ("mql", at(8, 9)), ("sal", at(9, 21)))
    walk(through, ("mql", at(8, 9)), ("sal", at(9, 22)))  # in time to the minute
    walk(through, ("mql", at(8, 9)), ("sal", at(9, 22, 1)))
    body = handoffs.answer(asked(through)).everybody
    assert (body.offered, body.met, body.missed, body.late, body.coming) == (5, 3, 2, 0, 0)
    told = text(page(visitor, "report_handoffs", from_="2025-01-01", to="2025-02-01"))
    assert "16 working hours after the offer. They count on the calendar “US East”." in told
