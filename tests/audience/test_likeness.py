"""Best customers and look-alikes: what stands out, who is alike and why, and how that would have done a year before."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audience import segments
from audience.likeness import asking, checking, customers, profile, ranking, traits
from audience.models import Contract, ContractAmendment, Segment
from audience.readiness import completeness, measures
from audience.subjects import accounts, custom, erasure
from kit.models import AuditEntry, User
from kit.sql import rows, sql
from kit.statistics import Difference, Share
from tests.asking import Api
from tests.factories import NOW, account, activity, days_ago, deal, person, purchase

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    user = User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER)
    client.force_login(user)
    return user


def ask(**given):
    return asking.read({name: str(value) for name, value in given.items()}, NOW).question


def ids(statement):
    return {row[0] for row in rows(statement)}


LATELY = days_ago(30)


def won(whose, amount=100_000, at=LATELY, **more):
    return deal(whose, at - timedelta(days=9), at, amount=amount, currency="EUR", **more)


@pytest.fixture
def company():
    """40 customers, three of four in Medical; 160 others, one of eight; of 20 nothing is known."""
    best = [
        account(
            name=f"C{at}", industry="Medical" if at < 30 else "Retail", employees=300 if at < 30 else 5, country="DE"
        )
        for at in range(40)
    ]
    for each in best:
        won(each)
    others = [
        account(
            name=f"P{at}", industry="Medical" if at < 20 else "Retail" if at < 140 else "", employees=5, country="DE"
        )
        for at in range(160)
    ]
    return best, others


def values(told, name):
    part = next(part for part in told.parts if part.trait.name == name)
    return {each.value: each for each in part.values}


def test_what_stands_out_has_its_shares_lift_and_interval(company):
    told = profile.answer(ask(top=100))
    assert (told.best, told.everybody) == (40, 200)
    medical = values(told, "account.industry")["Medical"]
    assert (medical.best, medical.others, medical.everybody) == (Share(30, 40), Share(20, 160), Share(50, 200))
    assert medical.lift == pytest.approx(3.0)
    assert medical.difference.interval == Difference(Share(30, 40), Share(20, 160)).interval
    assert medical.stands_out and medical.is_more
    country = values(told, "account.country")["DE"]
    assert not country.stands_out and country.lift == 1.0
    assert [(each.value, each.is_more) for each in told.outstanding][:2] == [("250", True), ("Medical", True)]


def test_every_trait_parts_everybody_and_the_empty_are_a_bucket_of_their_own(company):
    custom.define("Plan", of="account", type="choice", choices=["free"], by=None, now=NOW)
    for of in asking.Of.values:
        told = profile.answer(ask(of=of, top=100))
        for part in told.parts:
            assert sum(each.best.hits for each in part.values) == told.best, part.trait.name
            assert sum(each.everybody.hits for each in part.values) == told.everybody, part.trait.name
            rest = part.rest or (Share(0, 0), Share(0, 0))
            assert sum(each.best.hits for each in part.shown) + rest[0].hits == told.best
    found = values(profile.answer(ask(top=100)), "account.industry")
    assert found[""].everybody.hits == 20 and found[""].label == "(empty)"
    assert "account.custom.plan" in {each.name for each in traits.of("account")}


def test_of_few_best_customers_nothing_is_said(client, ada):
    for _at in range(9):
        won(account(industry="Medical"))
    for _at in range(50):
        account(industry="Retail")
    told = profile.answer(ask(top=100))
    assert not told.is_told and not told.outstanding and ranking.answer(told) == []
    page = client.get(reverse("best_customers")).content.decode()
    assert "Not enough data" in page
    assert "nothing can be said" in client.get(reverse("look_alikes"), {"top": 100}).content.decode()


def test_the_best_are_the_top_by_money_of_two_years_rounded_up():
    large, middle, small = (account(name=name) for name in ("Large", "Middle", "Small"))
    won(large, 900)
    won(middle, 500)
    won(small, 100)
    won(small, 10_000, at=days_ago(800))
    won(account(is_excluded=True), 10_000)
    deal(account(), days_ago(40), days_ago(30), amount=10_000, currency="USD")
    deal(account(), days_ago(40), days_ago(30), amount=10_000, currency="EUR", status="lost")
    assert ids(customers.best(ask(of="account", basis="deals", top=50))) == {large.pk, middle.pk}
    assert ids(customers.best(ask(of="account", basis="deals", top=5))) == {large.pk}
    assert ids(customers.best(ask(of="account", basis="deals", top=100, as_of="2024-01-01"))) == {small.pk}


def test_contracts_count_by_their_latest_amendment_and_what_people_buy_is_their_account_s():
    first, second = account(name="First"), account(name="Second")
    today = NOW.date()
    for whose, number in ((first, 1), (second, 2)):
        Contract.objects.create(account=whose, starts_on=today - timedelta(days=90), annual_value=100, currency="EUR",
                                source="t", external_id=str(number), recorded_at=NOW)  # fmt: skip
    ContractAmendment.objects.create(contract=Contract.objects.get(account=second), valid_from=today - timedelta(days=9),
                                     annual_value=900, recorded_at=NOW)  # fmt: skip
    assert dict(rows(customers.sums("account", "contracts", NOW))) == {first.pk: 100, second.pk: 900}
    buyer = person(account=first)
    purchase(buyer, days_ago(3), amount=70, currency="EUR")
    assert dict(rows(customers.sums("account", "purchases", NOW))) == {first.pk: 70}
    assert dict(rows(customers.sums("person", "purchases", NOW))) == {buyer.pk: 70}
    assert ids(customers.all_of("person", NOW)) == {buyer.pk}


def test_values_are_as_of_the_day(company):
    best, _others = company
    accounts.change(best[0], {"industry": "Retail"}, source="crm", by=None, now=NOW)
    now, then = (profile.answer(asking.read({"top": "100", **day}, NOW + timedelta(days=1)).question)
                 for day in ({}, {"as_of": "2025-06-14"}))  # fmt: skip
    assert values(now, "account.industry")["Medical"].best.hits == 29
    assert values(then, "account.industry")["Medical"].best.hits == 30


def test_first_contact_and_first_channel_are_of_who_came_first():
    acme = account()
    first = person(account=acme, title_group="engineering", first_seen_at=days_ago(50), source="fair")
    second = person(account=acme, title_group="sales", first_seen_at=days_ago(20))
    activity(second, days_ago(19), channel="webinar")
    activity(first, days_ago(30), channel="paid_search")
    activity(first, days_ago(40), channel="email", direction="outbound")
    activity(acme, days_ago(10), channel="event")
    some = traits.of("account")
    [row] = rows(traits.values(some, "account", NOW))
    told = dict(zip([each.name for each in some], row[1:], strict=True))
    assert (told["first_channel"], told["contact.title_group"], told["contact.source"]) == (
        "paid_search",
        "engineering",
        "fair",
    )
    of_people = {row[0]: row for row in rows(traits.values(traits.of("person"), "person", NOW))}
    at = [each.name for each in traits.of("person")].index("first_channel") + 1
    assert (of_people[first.pk][at], of_people[second.pk][at]) == ("paid_search", "webinar")


def test_look_alikes_are_no_customers_ranked_by_the_sum_of_their_reasons(company):
    best, others = company
    twin = account(name="Twin", industry="Medical", employees=300, country="DE")
    told = profile.answer(ask(top=100))
    alike = ranking.answer(told)
    assert alike[0].subject_id == twin.pk
    assert not {each.subject_id for each in alike} & {each.pk for each in best}
    assert [each.score for each in alike] == sorted((each.score for each in alike), reverse=True)
    for each in alike[:5]:
        assert each.score == pytest.approx(sum(reason.weight for reason in each.reasons), abs=1e-5)
    medical = values(told, "account.industry")["Medical"]
    assert medical.best == Share(30, 40)
    expected = math.log((30 + 3) / (40 * 21 / 161 + 3))
    found = next(reason for reason in alike[0].because if reason.trait.name == "account.industry")
    assert found.weight == pytest.approx(expected)
    small = next(each for each in alike if each.subject_id == others[0].pk)
    assert [reason.trait.name for reason in small.against] == ["size"]


def test_what_is_not_known_counts_nothing_and_no_trait_counts_more_than_eight_times(company):
    blank = account(name="Blank")
    for _trait, counts in ranking.weights(profile.answer(ask(top=100))):
        assert "" not in counts
        assert all(abs(weight) <= ranking.MOST + 1e-9 for weight in counts.values())
    alike = ranking.answer(profile.answer(ask(top=100)))
    assert blank.pk not in {each.subject_id for each in alike}, "nothing speaks for it"


def test_look_alikes_keep_to_a_segment(company):
    _best, others = company
    made = segments.create_list("Some", of="account", members=_these(others[:3]), by=None, now=NOW)
    alike = ranking.answer(profile.answer(ask(top=100, among=made.slug)))
    assert {each.subject_id for each in alike} <= {each.pk for each in others[:3]}


def _these(some):
    return sql("SELECT unnest({}::bigint[]) AS subject_id", [each.pk for each in some])


def test_the_check_asks_a_year_before_and_counts_who_became_a_customer_since():
    """Medical firms buy: 30 before the cut, 24 of 30 since; of 100 retailers 4 since."""
    seen = {"first_seen_at": days_ago(900), "created_at": days_ago(900)}
    for _at in range(30):
        won(account(industry="Medical", **seen), at=days_ago(500))
    medical = [account(industry="Medical", **seen) for _at in range(30)]
    retail = [account(industry="Retail", **seen) for _at in range(100)]
    for each in (*medical[:24], *retail[:4]):
        won(each, at=days_ago(60))
    check = checking.answer(ask(of="account", basis="deals", top=100))
    assert check.is_told and check.best == 30
    assert check.all == Share(28, 130)
    assert check.top == Share(24, 30), "all who tie with the last of the tenth"
    area = (24 * 96 + 24 * 6 / 2 + 4 * 96 / 2) / (28 * 102)
    assert check.auc == pytest.approx(area)
    assert check.interval.low < area < check.interval.high
    assert check.lift == pytest.approx((24 / 30) / (28 / 130))


def test_the_check_says_when_it_cannot_tell(company, client, ada):
    assert not checking.answer(ask(top=100)).is_told
    page = client.get(reverse("look_alikes"), {"top": 100}).content.decode()
    assert "Not enough data to check it on the past" in page


@pytest.mark.parametrize(
    ("groups", "area"),
    [
        ([(1, 0), (0, 1)], 1.0),
        ([(0, 1), (1, 0)], 0.0),
        ([(2, 2)], 0.5),
        ([(1, 1), (1, 1)], 0.5),
        ([(2, 1), (1, 3)], 8.5 / 12),
    ],
)
def test_auc_of_groups_by_hand(groups, area):
    assert checking.auc(groups) == pytest.approx(area)


# ---- pages ----


def test_the_page_tells_what_stands_out_and_every_figure_opens_those_behind_it(client, ada, company):
    page = client.get(reverse("best_customers"), {"top": 100}).content.decode()
    assert "stands out" in page and "×3.0" in page
    url = (
        reverse("best_customers_list") + "?of=account&basis=deals&top=100&who=best&trait=account.industry&value=Medical"
    )
    assert url.replace("&", "&amp;") in page
    listed = client.get(url)
    assert "30 accounts" in listed.content.decode()
    client.post(reverse("best_customers_segment"), {"of": "account", "basis": "deals", "top": "100", "who": "best",
                                                    "trait": "account.industry", "value": "Medical"})  # fmt: skip
    assert Segment.objects.get().segmentmember_set.count() == 30
    page = client.post(
        url, {"action": "tag", "id": [company[0][0].pk], "tag-names": "Star"}, follow=True
    ).content.decode()
    assert "30 accounts" in page, "what is done to some of a list leaves the list as it is"
    empty = client.get(url.replace("who=best", "who=all").replace("Medical", ""))
    assert "20 accounts" in empty.content.decode()


def test_look_alikes_say_because_and_become_a_segment_in_one_click(client, ada, company):
    account(name="Twin", industry="Medical", employees=300, country="DE")
    page = client.get(reverse("look_alikes"), {"top": 100}).content.decode()
    assert "account&#x27;s industry: Medical" in page and "like your 40 best" in page
    assert page.index("Twin") < page.index(">P0<")
    client.post(reverse("look_alikes_segment"), {"top": "100", "most": "50"})
    made = Segment.objects.get()
    assert made.name == "Like top 100 % of accounts by won deals of two years" and made.kind == "static"
    assert 1 <= made.segmentmember_set.count() <= 50
    assert AuditEntry.objects.filter(action="segment.create").exists()
    file = client.get(reverse("look_alikes"), {"top": 100, "export": "csv"})
    lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
    assert "Twin" in lines[1] and "account's industry: Medical (×" in lines[1]


def test_sales_sees_look_alikes_of_their_own_alone(client, company):
    sal = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    account(name="Mine", industry="Medical", employees=300, owner=sal)
    account(name="Foreign", industry="Medical", employees=300)
    client.force_login(sal)
    page = client.get(reverse("look_alikes"), {"top": 100}).content.decode()
    assert "Mine" in page and "Foreign" not in page
    assert client.post(reverse("look_alikes_segment"), {"top": "100"}).status_code == 403


@pytest.mark.parametrize(
    "given",
    [{"of": "robot"}, {"basis": "x"}, {"basis": "segment:nothing"}, {"top": "7"}, {"as_of": "2025-02-30"}, {"as_of": "9999-12-31"},
     {"as_of": "0001-01-01"}, {"among": "x'"}, {"most": "-1"}, {"of": "\x00"}, {"as_of": "x" * 500}],
)  # fmt: skip
def test_what_makes_no_sense_is_noted_and_left_out(client, ada, company, given):
    for name in ("best_customers", "look_alikes", "best_customers_list"):
        answer = client.get(reverse(name), given)
        assert answer.status_code == 200
    api = Api(ada, "people:read")
    if given != {"of": "\x00"}:
        api.refused(
            "get", "/look-alikes/?" + "&".join(f"{k}={v}" for k, v in given.items()), None, 400, "not_understood"
        )


def test_over_the_api(ada, company):
    twin = account(name="Twin", industry="Medical", employees=300, country="DE")
    api = Api(ada, "people:read")
    told = api.get("/best-customers/?top=100")
    [industry] = [each for each in told["traits"] if each["name"] == "account.industry"]
    assert (told["best"], told["everybody"]) == (40, 201)
    assert sum(each["everybody"] for each in industry["values"]) == 201
    alike = api.get("/look-alikes/?top=100&most=50")
    assert alike["results"][0]["subject"] == twin.pk
    assert {each["trait"] for each in alike["results"][0]["because"]} == {"account.industry", "size"}
    assert alike["check"]["auc"] is None


def test_the_questions_of_the_pages_are_few_whatever_there_is(client, ada, company):
    def asked(name):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(name), {"top": 100}).status_code == 200
        return len(queries)

    before = [asked(name) for name in ("best_customers", "look_alikes")]
    for at in range(20):
        account(name=f"N{at}", industry=f"I{at}")
    assert [asked(name) for name in ("best_customers", "look_alikes")] == before


def test_whoever_is_erased_is_in_no_figure_any_more(ada):
    someone = person(email="a@example.com", country="DE")
    person(country="DE")
    now = timezone.now()
    question = asking.read({"of": "person"}, now).question
    assert profile.answer(question).everybody == 2
    assert erasure.erase(someone, by=ada, now=now) is not None
    assert profile.answer(question).everybody == 1
    assert completeness.now_of(measures.find("person.country"), now).of == 1


def test_a_segment_that_cannot_be_asked_of_that_day_any_more_is_told_in_words(client, ada, company):
    field = custom.define("Plan", of="account", type="text", by=None, now=NOW)
    asked = {"field": "account.custom.plan", "op": "is", "value": "pro"}
    made = segments.create("Pro", of="account", condition=asked, by=None, now=NOW)
    field.delete()
    for name in ("best_customers", "best_customers_list", "look_alikes"):
        page = client.get(reverse(name), {"of": "account", "basis": f"segment:{made.slug}", "as_of": "2025-06-01"})
        assert page.status_code == 200 and "account.custom.plan" in page.content.decode(), name
    among = {"of": "account", "among": made.slug, "as_of": "2025-06-01", "top": "100"}
    assert client.post(reverse("look_alikes_segment"), among, follow=True).status_code == 200
    Api(ada, "people:read").refused("get", f"/look-alikes/?basis=segment:{made.slug}&of=account&as_of=2025-06-01", None, 400,
                                    "unknown_field")  # fmt: skip


def test_days_at_the_ends_of_the_calendar_are_answered(client, ada, company):
    for day in ("1000-01-01", "2025-06-15"):
        for name in ("best_customers", "look_alikes"):
            assert client.get(reverse(name), {"as_of": day, "top": "100"}).status_code == 200
