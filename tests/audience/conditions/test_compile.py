"""The statement: who is in it, what counts at an instant, and since when something holds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from audience.conditions import compile, tree
from audience.models import Account, Deal, Field, FieldChange, Person
from kit import installation
from kit.sql import Sql, dicts, rows, sql
from tests import asking, factories
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db

A_LITTLE = timedelta(microseconds=1)
EVERYBODY = tree.parse({})


def held(data: Any, at: datetime = NOW, of: str = "person", **more: Any) -> set[int]:
    return {row[0] for row in rows(compile.members(tree.parse(data, of=of), of=of, at=at, **more))}


def since(data: Any, at: datetime = NOW, of: str = "person") -> datetime | None:
    """Since when it holds for the only subject there is."""
    (row,) = dicts(compile.table({"q": tree.parse(data, of=of)}, of=of, at=at, evidence=True))
    assert row["q"] is True
    return row["q__evidence"]


def changed(person: Person, field: str, old: str | None, at: datetime, recorded: datetime | None = None) -> None:
    FieldChange.objects.create(
        person=person, field=field, old=old, source="tests", occurred_at=at, recorded_at=recorded or at
    )


def test_a_subject_is_there_once_it_was_first_seen_and_until_it_is_erased() -> None:
    person = factories.person(first_seen_at=days_ago(5))
    factories.person(first_seen_at=days_ago(5), erased_at=days_ago(1))
    assert held({}, days_ago(5)) == set(), "as of an instant is strictly before it"
    assert held({}, days_ago(5) + A_LITTLE) == {person.pk}


def test_as_known_then_only_those_recorded_by_then_are_there() -> None:
    person = factories.person(first_seen_at=days_ago(50), created_at=days_ago(5))
    assert held({}, known=days_ago(5)) == set()
    assert held({}, known=days_ago(5) + A_LITTLE) == {person.pk}


def test_only_those_asked_for_are_answered() -> None:
    first, second = factories.person(), factories.person()
    account = factories.account()
    among = sql("SELECT unnest({}) AS subject_id", [first.pk, first.pk, account.pk])
    assert held({}, among=among) == {first.pk}
    assert held({}) == {first.pk, second.pk}
    assert held({}, of="account", among=among) == {account.pk}


def test_the_statement_can_stand_within_another_among_included() -> None:
    first, second = factories.person(country="DE"), factories.person(country="DE")
    factories.person()
    german = compile.members(tree.parse({"field": "person.country", "op": "is", "value": "DE"}), of="person", at=NOW)
    some = sql("SELECT subject_id FROM ({}) german WHERE subject_id <> {}", german, second.pk)
    table = compile.table({"q": EVERYBODY}, of="person", at=NOW, among=some)
    assert rows(sql("SELECT subject_id, q FROM ({}) answers", table)) == [(first.pk, True)]
    assert compile.count(EVERYBODY, of="person", at=NOW, among=some) == 1


@pytest.mark.parametrize("question", ['"', '""', 'a"b', "a b%s{}", "a; drop table x --"])
def test_a_question_may_have_any_short_name(question: str) -> None:
    person = factories.person()
    (row,) = dicts(compile.table({question: EVERYBODY}, of="person", at=NOW, evidence=True))
    assert row == {"subject_id": person.pk, question: True, f"{question}__evidence": person.first_seen_at}


@pytest.mark.parametrize("question", ["", "x" * 41])
def test_a_name_that_would_be_cut_off_is_refused(question: str) -> None:
    with pytest.raises(ValueError, match="1 to 40 bytes"):
        compile.table({question: EVERYBODY}, of="person", at=NOW)


HOSTILE = ["'; DROP TABLE audience_person; --", "%s %(x)s {} {0}", '"\\', "\\' OR true --", "$$"]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_user_writes_is_bound_and_never_run(text: str) -> None:
    person = factories.person(country=text)
    factories.person(country="DE")
    factories.activity(person, days_ago(1), properties={text: text})
    assert held({"field": "person.country", "op": "is", "value": text}) == {person.pk}
    assert held({"field": "person.country", "op": "contains", "value": text}) == {person.pk}
    asked = {"field": "activity.count", "op": "at_least", "value": 1, "where": {f"properties.{text}": text}}
    assert held(asked) == {person.pk}


# Values with a past


def test_a_value_is_what_it_was_before_the_first_later_change() -> None:
    person = factories.person(country="FR")
    changed(person, "country", "", days_ago(30))
    changed(person, "country", "DE", days_ago(10))
    in_germany = {"field": "person.country", "op": "is", "value": "DE"}
    assert held(in_germany, days_ago(30)) == set(), "a change at the instant itself does not count yet"
    assert held(in_germany, days_ago(30) + A_LITTLE) == {person.pk}
    assert held(in_germany, days_ago(10)) == {person.pk}
    assert held(in_germany, days_ago(10) + A_LITTLE) == set()


def test_two_changes_of_one_instant_count_in_the_order_they_were_written() -> None:
    person = factories.person(country="FR")
    changed(person, "country", "", days_ago(10))
    changed(person, "country", "DE", days_ago(10))
    assert held({"field": "person.country", "op": "empty"}, days_ago(10)) == {person.pk}
    assert held({"field": "person.country", "op": "is", "value": "FR"}, days_ago(9)) == {person.pk}


def test_a_change_that_was_recorded_late_counts_as_known_now_and_not_as_known_then() -> None:
    person = factories.person(country="FR")
    changed(person, "country", "DE", days_ago(30), recorded=days_ago(2))
    in_france = {"field": "person.country", "op": "is", "value": "FR"}
    assert held(in_france, days_ago(20)) == {person.pk}
    assert held(in_france, days_ago(20), known=days_ago(20)) == set()
    assert held(in_france, days_ago(20), known=NOW) == {person.pk}


def test_a_person_is_asked_for_the_account_of_that_time() -> None:
    old = factories.account(industry="Retail")
    new = factories.account(industry="Software")
    person = factories.person(account=new)
    changed(person, "account", str(old.pk), days_ago(10))
    retail = {"field": "account.industry", "op": "is", "value": "Retail"}
    assert held(retail, days_ago(10)) == {person.pk}
    assert held(retail) == set()
    FieldChange.objects.create(
        account=old, field="industry", old="Banking", source="tests", occurred_at=days_ago(20), recorded_at=NOW
    )
    assert held(retail, days_ago(20)) == set()
    assert held(retail, days_ago(20), among=sql("SELECT {}::bigint AS subject_id", person.pk)) == set()
    assert held(retail, days_ago(19), among=sql("SELECT {}::bigint AS subject_id", person.pk)) == {person.pk}


def test_a_change_of_account_that_names_none_is_no_account() -> None:
    person = factories.person(account=factories.account())
    for old in (None, "", "gone"):
        changed(person, "account", old, days_ago(10))
        assert held({"field": "person.has_account", "op": "is", "value": False}, days_ago(11)) == {person.pk}


# Activities


def test_a_window_reaches_back_so_many_days_on_the_local_clock() -> None:
    installation.put("zone", "Europe/Berlin")
    person = factories.person()
    at = datetime.fromisoformat("2025-03-31T10:00:00+02:00")  # the clocks went forward the day before
    factories.activity(person, datetime.fromisoformat("2025-03-29T10:00:00+01:00"))
    Person.objects.update(first_seen_at=datetime.fromisoformat("2025-01-01T00:00:00+01:00"))
    visits = {"field": "activity.count", "op": "at_least", "value": 1, "days": 2}
    assert held(visits, at) == {person.pk}
    assert held(visits, at + A_LITTLE) == set()


def test_only_humans_count_unless_others_are_asked_for() -> None:
    person = factories.person()
    for actor in ("human", "unknown", "bot", "proxy"):
        factories.activity(person, days_ago(1), actor=actor)
    visits = {"field": "activity.count", "op": "equals"}
    assert held(visits | {"value": 1}) == {person.pk}
    assert held(visits | {"value": 1, "where": {"actor": "bot"}}) == {person.pk}
    assert held(visits | {"value": 4, "where": {"actor": ["human", "unknown", "bot", "proxy"]}}) == {person.pk}


def test_a_reversed_activity_counts_until_its_reversal() -> None:
    person = factories.person()
    visit = factories.activity(person, days_ago(10))
    factories.activity(person, days_ago(5), reversal_of=visit, recorded_at=days_ago(1))
    visits = {"field": "activity.count", "op": "equals", "value": 1}
    assert held(visits, days_ago(5)) == {person.pk}
    assert held(visits, days_ago(4)) == set()
    assert held(visits, days_ago(4), known=days_ago(2)) == {person.pk}


def test_what_somebody_does_counts_for_the_account_they_were_then_in() -> None:
    account = factories.account()
    factories.activity(factories.person(), days_ago(3), account=account)
    factories.activity(account, days_ago(2))
    assert held({"field": "activity.count", "op": "equals", "value": 2}, of="account") == {account.pk}


def test_activities_are_narrowed_by_where() -> None:
    person = factories.person()
    factories.activity(person, days_ago(1), kind="webinar_attended", channel="web", platform="Zoom", value=3)
    factories.activity(person, days_ago(2), kind="page_visited", direction="outbound", properties={"n": 5, "ok": True})
    wheres: list[tuple[dict[str, Any], int]] = [
        ({"kind": "webinar_attended"}, 1),
        ({"kind": ["webinar_attended", "page_visited"]}, 2),
        ({"kind": "never_happened"}, 0),
        ({"channel": "WEB"}, 1),
        ({"channel": ""}, 1),
        ({"platform": "zoom"}, 1),
        ({"direction": "outbound"}, 1),
        ({"source": "tests"}, 2),
        ({"properties.n": 5}, 1),
        ({"properties.n": [5, 6], "properties.ok": True}, 1),
        ({"properties.n": ""}, 1),
        ({"since": "2025-06-14"}, 1),
        ({"until": "2025-06-13"}, 1),
        ({"since": "2025-06-13", "until": "2025-06-14"}, 2),
        ({"since": "2025-06-15"}, 0),
    ]
    for where, expected in wheres:
        asked = {"field": "activity.count", "op": "equals", "value": expected, "where": where}
        assert held(asked) == {person.pk}, where
    assert held({"field": "activity.sum", "op": "equals", "value": 3}) == {person.pk}
    assert held({"field": "activity.days_since_last", "op": "equals", "value": 1}) == {person.pk}
    assert held({"field": "activity.first", "op": "before", "value": "2025-06-14"}) == {person.pk}
    assert held({"field": "activity.last", "op": "on_or_after", "value": "2025-06-14"}) == {person.pk}


def test_nothing_done_is_no_activities_and_no_last_one() -> None:
    person = factories.person()
    assert held({"field": "activity.count", "op": "equals", "value": 0}) == {person.pk}
    assert held({"field": "activity.sum", "op": "less_than", "value": 1}) == {person.pk}
    assert held({"field": "activity.last", "op": "empty"}) == {person.pk}
    assert held({"field": "activity.days_since_last", "op": "at_least", "value": 0}) == set()


# Deals and purchases


def deals(status: str | None, **more: Any) -> dict[str, Any]:
    where = {"where": {"status": status}} if status else {}
    return {"field": "deal.count", "op": "at_least", "value": 1} | where | more


def test_a_deal_is_open_until_it_is_closed_and_won_from_then_on() -> None:
    person = factories.person()
    factories.deal(person, days_ago(20), closed=days_ago(10))
    assert held(deals(None), days_ago(20)) == set()
    assert held(deals("open"), days_ago(10)) == {person.pk}
    assert held(deals("won"), days_ago(10)) == set()
    assert held(deals("won"), days_ago(10) + A_LITTLE) == {person.pk}
    assert held(deals("open")) == set()


def test_a_deal_that_was_closed_before_it_was_opened_counts_as_won_from_its_closing() -> None:
    person = factories.person()
    factories.deal(person, days_ago(5), closed=days_ago(10))
    assert held(deals("won"), days_ago(9)) == {person.pk}
    assert since(deals("won")) == days_ago(10)


def test_a_deal_that_was_lost_and_taken_up_again_was_lost_in_between() -> None:
    person = factories.person()
    deal = factories.deal(person, days_ago(30), stage="Talks")
    for days, before, after in ((20, "open", "lost"), (10, "lost", "open")):
        deal.dealstagechange_set.create(
            from_status=before, to_status=after, from_stage="Offer", to_stage="Talks",
            occurred_at=days_ago(days), recorded_at=days_ago(days),
        )  # fmt: skip
    assert held(deals("lost"), days_ago(15)) == {person.pk}
    assert held(deals("open"), days_ago(15)) == set()
    assert held(deals("open")) == {person.pk}
    assert held(deals(None) | {"where": {"stage": "offer"}}, days_ago(25)) == {person.pk}
    assert held(deals(None) | {"where": {"stage": "offer"}}) == set()


def test_deals_are_those_of_the_person_s_roles_and_of_the_account() -> None:
    account, person = factories.account(), factories.person()
    deal = factories.deal(person, days_ago(5), amount=5_000, pipeline="New", currency="EUR")
    Deal.objects.filter(pk=deal.pk).update(account=account)
    deal.dealrole_set.create(person=person, role="a second role")
    assert held(deals("open", value=1)) == {person.pk}
    assert held(deals("open", value=2)) == set(), "two roles on one deal are one deal"
    assert held(deals("open"), of="account") == {account.pk}
    assert held({"field": "deal.amount", "op": "equals", "value": 5_000}, of="account") == {account.pk}
    assert held(deals(None) | {"where": {"pipeline": "NEW", "currency": "eur"}}) == {person.pk}


def test_amounts_are_summed_in_one_currency() -> None:
    installation.put("currency", "EUR")
    person = factories.person()
    for amount, currency in ((100, "EUR"), (20, ""), (3_000, "USD"), (None, "EUR")):
        factories.purchase(person, days_ago(3), amount=amount, currency=currency)
    total = {"field": "purchase.sum", "op": "equals"}
    assert held(total | {"value": 120}) == {person.pk}
    assert held(total | {"value": 3_000, "where": {"currency": "USD"}}) == {person.pk}
    assert held({"field": "purchase.count", "op": "equals", "value": 4}) == {person.pk}
    assert held({"field": "purchase.last", "op": "days_ago_at_most", "value": 3}) == {person.pk}
    assert held({"field": "purchase.count", "op": "at_least", "value": 1, "days": 2}) == set()


# Since when


def test_a_count_holds_since_the_activity_that_made_it_full() -> None:
    person = factories.person()
    for days in (9, 7, 5, 3):
        factories.activity(person, days_ago(days))
    visits = {"field": "activity.count", "op": "at_least", "value": 2}
    assert since(visits) == days_ago(7)
    assert since(visits | {"days": 8}) == days_ago(5), "the second within the window"
    assert since(visits | {"op": "more_than"}) == days_ago(5)
    assert since(visits | {"op": "at_most", "value": 9, "days": 30}) is None, "time alone empties a window"


def test_a_value_holds_since_its_last_change_or_since_the_subject_was_first_seen() -> None:
    person = factories.person(country="DE", title="Director")
    changed(person, "country", "FR", days_ago(12))
    changed(person, "country", "DE", days_ago(2) + timedelta(days=4))  # still to come
    assert since({"field": "person.country", "op": "is", "value": "FR"}, days_ago(20)) == person.first_seen_at
    assert since({"field": "person.country", "op": "is", "value": "DE"}) == days_ago(12)
    assert since({"field": "person.title", "op": "is", "value": "Director"}) == person.first_seen_at


def test_all_hold_since_the_latest_and_any_since_the_earliest_that_holds() -> None:
    person = factories.person(country="DE")
    factories.activity(person, days_ago(9))
    factories.activity(person, days_ago(3), kind="demo_requested")
    one, demo = (
        {"field": "activity.count", "op": "at_least", "value": 1} | more
        for more in ({}, {"where": {"kind": "demo_requested"}})
    )
    never = {"field": "person.country", "op": "is", "value": "FR"}
    assert since({"all": [one, demo]}) == days_ago(3)
    assert since({"any": [demo, one]}) == days_ago(9)
    assert since({"any": [never, demo]}) == days_ago(3)
    assert since({"all": [one, {"not": never}]}) == days_ago(9)
    assert since({"not": never}) is None
    assert since({}) == person.first_seen_at
    assert since({"field": "person.created", "op": "days_ago_at_least", "value": 3}) is None


def test_a_person_s_account_field_holds_since_the_latest_of_person_link_and_value() -> None:
    account = factories.account(industry="Software")
    person = factories.person(account=account)
    software = {"field": "account.industry", "op": "is", "value": "Software"}
    assert since(software) == person.first_seen_at
    FieldChange.objects.create(
        account=account, field="industry", old="", source="tests", occurred_at=days_ago(20), recorded_at=NOW
    )
    assert since(software) == days_ago(20)
    changed(person, "account", None, days_ago(15))
    assert since(software) == days_ago(15)


# What may have changed


def touched(data: Any, since: datetime = NOW, days: float = 1, of: str = "person") -> set[int]:
    until = since + timedelta(days=days)
    return {row[0] for row in rows(compile.touched([tree.parse(data, of=of)], of=of, since=since, until=until))}


def test_nobody_comes_to_do_something_often_enough_by_what_leaves_the_window() -> None:
    person = factories.person(first_seen_at=days_ago(90))
    factories.activity(person, at=days_ago(30) + timedelta(hours=12), value=-5)
    span: dict[str, Any] = {"of": "person", "since": NOW, "until": NOW + timedelta(days=1), "rising": True}
    often = {"field": "activity.count", "days": 30, "op": "at_least", "value": 1}

    def rising(data: Any) -> set[int]:
        return {row[0] for row in rows(compile.touched([tree.parse(data)], **span))}

    assert rising(often) == set()
    assert rising({"not": often}) == rising(often | {"op": "at_most"}) == {person.pk}
    assert rising({"field": "activity.sum", "days": 30, "op": "at_least", "value": 0}) == {person.pk}, "a negative one"


def test_with_nothing_asked_only_the_newly_seen_are_touched() -> None:
    factories.person(first_seen_at=days_ago(20))
    new = factories.person(first_seen_at=days_ago(1))
    account = factories.account(first_seen_at=days_ago(1))
    for nodes in ([], [EVERYBODY]):
        assert rows(compile.touched(nodes, of="person", since=days_ago(2), until=NOW)) == [(new.pk,)]
        assert rows(compile.touched(nodes, of="account", since=days_ago(2), until=NOW)) == [(account.pk,)]


def test_time_touches_those_alone_whom_it_changes() -> None:
    installation.put("zone", "UTC")
    people = {days: factories.person() for days in (29, 30, 31, 60)}
    for days, person in people.items():
        factories.activity(person, days_ago(days) + timedelta(hours=1))
    count = {"field": "activity.count", "op": "at_least", "value": 1}
    assert touched(count | {"days": 30}) == {people[30].pk}
    assert touched(count) == set()
    assert touched({"field": "activity.days_since_last", "op": "at_least", "value": 31}) == {people[30].pk}
    assert touched({"field": "activity.last", "op": "days_ago_at_most", "value": 29}) == {people[29].pk}
    seen = {"field": "person.created", "op": "days_ago_at_least"}
    assert touched(seen | {"value": 101}) == {each.pk for each in people.values()}
    assert touched(seen | {"value": 300}) == set()


def test_a_date_that_comes_near_touches_when_it_enters_and_when_it_has_passed() -> None:
    installation.put("zone", "UTC")
    Field.objects.create(of="person", slug="renews", label="Renews", type="date", created_at=NOW)
    on = {day: factories.person(custom={"renews": f"2025-06-{day}"}).pk for day in (14, 15, 16, 17, 18, 19)}
    asked = {"field": "person.custom.renews", "op": "within_next_days", "value": 2}
    assert touched(asked) == {on[15], on[18]}, "on the 16th the 15th is over and the 18th is two days away"
    assert touched(asked | {"op": "days_ago_at_most", "value": 1}) == {on[14], on[16]}
    assert touched(asked, days=0.1) == set(), "within one day time changes nothing"


def test_purchases_and_deals_that_leave_the_window_touch() -> None:
    installation.put("zone", "UTC")
    buyer, dealer, other = (factories.person() for _ in range(3))
    factories.purchase(buyer, days_ago(29.5))
    factories.deal(dealer, days_ago(60), closed=days_ago(29.5))
    factories.purchase(other, days_ago(40))
    asked = {"op": "at_least", "value": 1, "days": 30}
    assert touched(asked | {"field": "purchase.count"}) == {buyer.pk}
    assert touched(asked | {"field": "deal.count"}) == {dealer.pk}
    last = {"field": "purchase.last", "op": "days_ago_at_least", "value": 31}
    assert touched(last) == {buyer.pk}


def test_what_happens_touches_those_it_happens_to() -> None:
    old, new = factories.account(industry="Retail"), factories.account(industry="Software")
    stays, left, far = factories.person(account=old), factories.person(account=new), factories.person()
    changed(left, "account", str(old.pk), days_ago(2))
    FieldChange.objects.create(
        account=old, field="industry", old="", source="tests", occurred_at=days_ago(10), recorded_at=NOW
    )
    industry = {"field": "account.industry", "op": "is", "value": "Retail"}
    assert touched(industry, days_ago(10)) == {stays.pk, left.pk}, "who is in the account now or was before"
    assert touched(industry, days_ago(3), days=2) == {left.pk}
    assert touched(industry, days_ago(10), of="account") == {old.pk}
    visit = factories.activity(far, days_ago(8))
    factories.activity(far, days_ago(6), reversal_of=visit)
    visits = {"field": "activity.count", "op": "at_least", "value": 1, "where": {"kind": "page_visited"}}
    assert touched(visits, days_ago(8)) == {far.pk}
    assert touched(visits, days_ago(7)) == set()
    assert touched(visits, days_ago(6)) == {far.pk}
    assert touched(visits | {"where": {"kind": "demo_requested"}}, days_ago(8)) == set()


def test_many_questions_share_one_scan_of_activities() -> None:
    asked = {
        f"q{days}{kind}": tree.parse(
            {"field": "activity.count", "op": "at_least", "value": 2, "days": days, "where": {"kind": kind}}
        )
        for days in (7, 30, 90)
        for kind in ("page_visited", "webinar_attended", "demo_requested")
    }
    statement = compile.table(asked, of="person", at=NOW)
    assert statement.text.count("FROM audience_activity x") == 1
    assert len(statement.text) < 20_000
    assert Account.objects.count() == 0 and rows(statement) == []
    assert isinstance(statement, Sql)


def test_whoever_changes_the_account_is_touched_by_what_never_changes_of_an_account() -> None:
    ada = factories.person(account=factories.account(first_seen_at=days_ago(90)), first_seen_at=days_ago(80))
    changed(ada, "account", None, days_ago(5))
    asked, span = {"field": "account.created", "op": "empty"}, (days_ago(6), days_ago(4))
    assert [held(asked, at) for at in span] == [{ada.pk}, set()]
    touched = compile.touched([tree.parse(asked)], of="person", since=span[0], until=span[1])
    assert rows(touched) == [(ada.pk,)]


def test_who_owns_somebody_is_asked_as_of_then_and_so_is_who_owns_their_account() -> None:
    ada, ben = asking.user(email="ada@example.com"), asking.user(email="ben@example.com")
    firm = factories.account(owner=ben)
    mine, free = factories.person(owner=ada, account=firm), factories.person()
    changed(mine, "owner", str(ben.pk), days_ago(3))
    is_adas = {"field": "person.owner", "op": "is", "value": "ada@example.com"}
    is_bens = {"field": "person.owner", "op": "is", "value": "ben@example.com"}
    assert held(is_adas) == {mine.pk} and held(is_adas, days_ago(5)) == set()
    assert held(is_bens) == set() and held(is_bens, days_ago(5)) == {mine.pk}
    assert held({"field": "person.owner", "op": "empty"}) == {free.pk}
    assert held(is_bens | {"field": "account.owner"}) == {mine.pk}
    assert held(is_bens | {"field": "account.owner"}, of="account") == {firm.pk}
    assert touched(is_adas, days_ago(3)) == {mine.pk} and touched(is_adas, days_ago(2)) == set()
    with pytest.raises(tree.ConditionError, match="is never “cleo@example.com”"):
        tree.parse(is_adas | {"value": "cleo@example.com"})
