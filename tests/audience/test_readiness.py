"""Readiness: completeness now and over time by two clocks, who lacks a field, what filling it would change."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from audience import segments
from audience.models import Completeness, Contract, Person, Segment
from audience.readiness import abilities, completeness, gaps, measures, origins
from audience.subjects import custom, people
from kit.models import AuditEntry, User
from kit.statistics import Share, wilson
from tests.asking import Api
from tests.audience.importing import bringing
from tests.factories import NOW, account, days_ago, deal, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def share(name, at=NOW, known=None):
    of = name.partition(".")[0]
    return completeness.at([measures.find(name)], of=of, at=at, known=known)[name]


def change(someone, at=NOW, **values):
    people.change(someone, values, source="crm", by=None, now=at)


def text(client, *route, **asked):
    answer = client.get(reverse(*route[:1], args=route[1:]), asked)
    assert answer.status_code == 200, answer.content[:300]
    return answer.content.decode()


def test_known_is_told_of_those_to_whom_it_applies_and_who_count():
    acme = account(name="Acme")
    person(email="a@example.com", title="Buyer", account=acme)
    person(email="b@example.com", account=acme)
    person(title="Nobody's buyer")  # without an account a job title does not apply
    person(account=acme, is_excluded=True)
    assert share("person.title") == Share(1, 2)
    assert share("person.email") == Share(2, 3)
    assert share("account.name") == Share(1, 1) and share("account.industry") == Share(0, 1)


def test_of_every_field_the_known_and_the_list_of_those_without_are_all_to_whom_it_applies():
    acme = account(name="Acme", industry="Water")
    custom.define("Plan", of="person", type="choice", choices=["free"], by=None, now=NOW)
    for number in range(7):
        person(email=f"p{number}@example.com", account=acme if number % 2 else None, country="DE" if number % 3 else "",
               custom={"plan": "free"} if number == 1 else {})  # fmt: skip
    for of in completeness.OF:
        some = measures.kept(of)
        shares = completeness.at(some, of=of, at=NOW)
        for each in some:
            lacking = len(completeness.rows(each.without(NOW)))
            assert shares[each.name].hits + lacking == shares[each.name].of, each.name
    assert {"person.custom.plan", "person.source", "account.employees"} <= {
        each.name for of in completeness.OF for each in measures.kept(of)
    }
    assert not {"person.created", "person.is_excluded", "person.has_account"} & {
        each.name for each in measures.kept("person")
    }


def test_the_past_is_told_as_it_was_known_then_and_as_it_is_known_now():
    someone = person(first_seen_at=days_ago(300), created_at=days_ago(100))
    change(someone, days_ago(20), country="DE")
    late = person(first_seen_at=days_ago(300), created_at=days_ago(10), country="FR")
    assert share("person.country", days_ago(200)) == Share(1, 2), "who came late was there all the while, as known now"
    assert share("person.country", days_ago(200), days_ago(200)) == Share(0, 0)
    assert share("person.country", days_ago(50), days_ago(50)) == Share(0, 1)
    assert share("person.country", days_ago(15), days_ago(15)) == Share(1, 1)
    assert share("person.country") == Share(2, 2) and late.country


def test_what_is_kept_by_night_is_the_past_by_both_clocks_and_safe_to_repeat():
    someone = person(first_seen_at=days_ago(300), created_at=days_ago(300))
    change(someone, days_ago(70), country="DE")
    completeness.take(NOW)
    before = sorted(Completeness.objects.values_list("field", "clock", "day", "known", "applicable"))
    completeness.take(NOW)
    assert sorted(Completeness.objects.values_list("field", "clock", "day", "known", "applicable")) == before
    points = completeness.curve(["person.country"], "then", Share(1, 1), NOW.date())
    told = [(point.day.isoformat(), point.share.hits) for point in points]
    assert told[-4:] == [("2025-04-01", 0), ("2025-05-01", 1), ("2025-06-01", 1), ("2025-06-15", 1)]
    assert len(told) == 11, "months in which nobody was known yet have no point"


def test_what_was_known_then_stays_when_a_late_file_changes_what_is_known_now():
    person(first_seen_at=days_ago(300), created_at=days_ago(200), country="DE")
    completeness.take(NOW)
    person(first_seen_at=days_ago(300), created_at=NOW)
    completeness.take(NOW)

    def on(clock):
        return Completeness.objects.get(field="person.country", clock=clock, day="2025-03-01").applicable

    assert (on("then"), on("now")) == (1, 2)


def test_a_gap_is_exported_filled_imported_and_the_curve_rises(client, ada):
    for number in range(4):
        person(email=f"p{number}@example.com", first_name=f"P{number}", country="DE" if number == 0 else "")
    completeness.take(timezone.now())
    page = text(client, "readiness_field", "person.country")
    assert ">25.0%<" in page.replace("\n", "")
    taken = client.get(reverse("readiness_without", args=["person.country"]), {"export": "csv"})
    lines = b"".join(taken.streaming_content).decode("utf-8-sig").splitlines()
    heads = lines[0].split(",")
    at = heads.index("Country")
    filled = [lines[0]] + [",".join([*line.split(",")[:at], "FR", *line.split(",")[at + 1 :]]) for line in lines[1:]]
    assert len(filled) == 4
    bringing.bring("\n".join(filled), now=timezone.now())
    assert list(Person.objects.order_by("email").values_list("country", flat=True)) == ["DE", "FR", "FR", "FR"]
    assert Person.objects.count() == 4
    page = text(client, "readiness_field", "person.country")
    assert ">100.0%<" in page.replace("\n", "")
    points = completeness.curve(["person.country"], "now", completeness.now_of(measures.find("person.country"), timezone.now()),
                                timezone.now().date())  # fmt: skip
    assert points[0].share.rate == 0.25 and points[-1].share.rate == 1.0


def test_those_without_become_a_segment_that_they_leave_when_it_is_filled(client, ada):
    acme = account(name="Acme")
    ann = person(first_name="Ann", account=acme)
    person(first_name="Bob", account=acme, title="Buyer")
    person(first_name="Cid")
    client.post(reverse("readiness_segment", args=["person.title"]))
    made = Segment.objects.get()
    assert made.name == "Without job title"
    inside = segments.members(made)
    assert [row[0] for row in completeness.rows(inside)] == [ann.pk]
    people.change(ann, {"title": "CEO"}, source="x", by=None, now=timezone.now())
    segments.fill(made, by=None, now=timezone.now())
    assert completeness.rows(inside) == []
    assert AuditEntry.objects.filter(action="segment.create").exists()


def test_contracts_are_known_of_a_customer_when_all_of_theirs_are(client, ada):
    first, second = account(name="First"), account(name="Second")
    for number, (whose, renews) in enumerate(((first, NOW.date()), (first, None), (second, NOW.date()))):
        Contract.objects.create(account=whose, starts_on=days_ago(50).date(), renews_on=renews, source="t",
                                external_id=str(number), recorded_at=NOW)  # fmt: skip
    Contract.objects.create(account=account(), starts_on=days_ago(90).date(), ends_on=days_ago(9).date(), source="t",
                            external_id="ended", recorded_at=NOW)  # fmt: skip
    fact = measures.find("account.contract.renews_on")
    assert completeness.of_fact(fact, NOW) == Share(1, 2)
    assert "First" in text(client, "readiness_without", fact.name)
    client.post(reverse("readiness_segment", args=[fact.name]))
    assert Segment.objects.get().kind == "static"


def test_what_filling_would_bring_is_the_share_of_those_who_have_it_with_its_interval():
    for number in range(40):
        person(country="DE" if number < 10 else "FR")
    for _number in range(100):
        person()
    asked = {"field": "person.country", "op": "is", "value": "DE"}
    segments.create("Germans", of="person", condition=asked, by=None, now=NOW)
    [reach] = gaps.standing([measures.find("person.country")], of="person", now=NOW).reaches["person.country"]
    assert (reach.met, reach.lacking, reach.more) == (Share(10, 40), 100, 25)
    low, high = wilson(10, 40)
    assert reach.interval == (round(100 * low), round(100 * high))
    assert [use.name for use in reach.uses] == ["Germans"]


def test_below_thirty_known_values_nothing_is_said(client, ada):
    for _number in range(29):
        person(country="DE")
    person()
    segments.create(
        "Germans", of="person", condition={"field": "person.country", "op": "is", "value": "DE"}, by=None, now=NOW
    )
    standing = gaps.standing([measures.find("person.country")], of="person", now=NOW)
    assert standing.best("person.country") is None
    assert "not enough data: fewer than 30 known" in text(client, "readiness_field", "person.country")


def test_open_deals_of_those_without_are_worth_what_the_own_win_rate_says():
    known, unknown = account(name="Known", industry="Water"), account(name="Unknown")
    for number in range(40):
        deal(known, days_ago(90), days_ago(30), status="won" if number < 10 else "lost", currency="EUR")
    deal(unknown, days_ago(9), amount=100_000, currency="EUR")
    deal(unknown, days_ago(9), amount=999_000, currency="USD")
    deal(known, days_ago(9), amount=500_000, currency="EUR")
    stake = gaps.stake(measures.find("account.industry"), NOW)
    assert (stake.deals, stake.amount, stake.won, stake.worth) == (1, 100_000, Share(10, 40), 25_000)


def test_sources_and_ages_of_values_add_up_to_the_known():
    person(country="DE", created_source="import a", created_at=days_ago(400))
    someone = person(created_source="import a", created_at=days_ago(400))
    change(someone, days_ago(10), country="FR")
    person(created_source="import b")
    found = origins.of(measures.find("person.country"), NOW)
    assert [(each.source, each.count) for each in found.sources] == [("crm", 1), ("import a", 1)]
    assert found.ages == (1, 0, 0, 1) and found.last == days_ago(10)
    assert dict(origins.buckets(measures.find("person.country"), NOW)) == {"DE": 1, "FR": 1, "": 1}


def test_an_ability_is_ready_partly_there_or_not_yet():
    def state(slug, now=NOW):
        shares = {}
        for of in completeness.OF:
            shares |= completeness.at(measures.kept(of), of=of, at=now)
            shares |= {each.name: completeness.of_fact(each, now) for each in measures.facts(of)}
        return next(each for each in abilities.all_of(abilities.Asked(now, shares)) if each.ability.slug == slug)

    assert state("segments").state == "missing"
    acme = account(name="Acme", industry="Water", country="DE")
    person(account=acme, country="DE", title_group="marketing")
    assert state("segments").state == "ready"
    for _number in range(3):
        person(account=acme, title_group="marketing")
    told = state("segments")
    assert told.state == "partly"
    [(need, found)] = told.missing
    assert "country" in need.words and found.text == "25.0%, 1 of 4" and "person.country" in need.way.url


def test_every_ability_tells_how_it_stands_on_an_empty_installation_and_leads_on(client, ada):
    told = abilities.all_of(abilities.Asked(NOW, {}))
    assert {each.ability.slug for each in told} >= {
        "segments", "fit_score", "behaviour_score", "stages", "hand_offs", "nurture", "renewals", "cross_sell",
        "look_alikes", "win_rate", "channel_mix", "retention", "concentration",
    }  # fmt: skip
    assert not any(each.state == "ready" for each in told)
    page = text(client, "readiness")
    assert page.count('data-state="missing"') == len(told)
    for each in told:
        for need, _found in each.needs:
            assert client.get(need.way.url).status_code in (200, 403), need.way.url


def test_a_field_that_rules_ask_says_so_with_its_share(client, ada):
    segments.create(
        "Germans", of="person", condition={"field": "person.country", "op": "is", "value": "DE"}, by=None, now=NOW
    )
    person(country="DE")
    person()
    page = text(client, "readiness_field", "person.country")
    assert "Known of 50.0%" in page and ">Germans</a>" in page


def test_measuring_can_be_asked_for_and_home_tells_what_was_found(client, ada):
    person(country="DE")
    assert "Readiness" not in text(client, "home").split("</nav>")[-1]
    client.post(reverse("readiness_measure"))
    assert AuditEntry.objects.filter(action="periodic.ask").exists()
    completeness.take(timezone.now())
    assert "Known of People" in text(client, "home")


@pytest.mark.parametrize(
    "name", ["person.nothing", "robot.country", "person.created", "person.custom.%00", "x", "segment.a"]
)
def test_there_is_no_page_of_what_is_no_field(client, ada, name):
    for route in ("readiness_field", "readiness_without"):
        assert client.get(reverse(route, args=[name])).status_code == 404
    assert client.post(reverse("readiness_segment", args=[name])).status_code == 404


def test_over_the_api(ada):
    person(country="DE")
    person()
    api = Api(ada, "people:read")
    told = api.get("/readiness/")
    country = next(each for each in told["measured"] if each["name"] == "person.country")
    assert (country["known"], country["applicable"], country["share"]) == (1, 2, 0.5)
    one = api.get("/readiness/person.country/")
    assert {each["value"]: each["count"] for each in one["values"]} == {"DE": 1, "": 1}
    assert api.refused("get", "/readiness/person.nothing/", None, 404, "not_found")
