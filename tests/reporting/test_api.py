"""Reports over the API: the figures of the pages, each with its base, its definition, and as many rows as it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

from audience.models import Person
from kit import jobs
from kit.models import User
from lifecycle.models import Membership
from reporting import filling, integrity
from tests import asking
from tests.asking import pages, problem, send
from tests.reporting import test_concentration, test_handoffs, test_lift, test_loops, test_partners, test_retention
from tests.reporting.ledger import NOW, lifecycle, reader, walk
from tests.reporting.test_funnel import january
from tests.reporting.test_pages import doors

pytestmark = pytest.mark.django_db
JANUARY = {"from": "2025-01-01", "to": "2025-02-01"}
YEAR = {"from": "2024-01-01", "to": "2025-01-01"}


@pytest.fixture
def api() -> Client:
    return asking.by(asking.user())


def figures(told: Any) -> Iterator[dict[str, Any]]:
    """Every figure of an answer, wherever it stands."""
    if isinstance(told, dict):
        if "people" in told and "metric" in told:
            yield told
        else:
            for each in told.values():
                yield from figures(each)
    elif isinstance(told, list):
        for each in told:
            yield from figures(each)


def report(api: Client, name: str, **asked: str) -> Any:
    answer = api.get(f"/api/v1/reports/{name}/?{urlencode(asked)}")
    assert answer.status_code == 200, answer.content[:500]
    return answer.json()


# ---- the same as on the page ----


def funnel() -> None:
    sales = january()
    Person.objects.filter(pk=walk(sales, ("lead", 3)).person_id).update(is_excluded=True)
    filling.fill(sales, now=NOW)


def handed_by_owner() -> None:
    through = test_handoffs.sales()
    test_handoffs.owned_january(through)
    filling.fill(through, now=NOW)


def handed_over() -> None:
    through = test_handoffs.sales()
    test_handoffs.january(through)
    filling.fill(through, now=NOW)


def looped() -> None:
    through = lifecycle()
    test_loops.winter(through)
    filling.fill(through, now=NOW)


def tried() -> None:
    sales = lifecycle()
    nurture = test_lift.campaign(sales)
    test_lift.crowd(sales, nurture, 20, 40)
    test_lift.crowd(sales, nurture, 10, 40, held=True)
    filling.fill(sales, now=NOW)


SAME = [
    (funnel, "report_funnel", "funnel", JANUARY),
    (funnel, "report_funnel", "funnel", JANUARY | {"within": "45"}),
    (funnel, "report_funnel", "funnel", JANUARY | {"split": "person.country"}),
    (funnel, "report_funnel", "funnel", JANUARY | {"known": "2025-01-15"}),
    (funnel, "report_funnel", "funnel", JANUARY | {"as_of": "2025-01-15"}),
    (handed_over, "report_handoffs", "hand-offs", JANUARY | {"split": "person.country"}),
    (handed_by_owner, "report_handoffs", "hand-offs", JANUARY),
    (looped, "report_loops", "loops", JANUARY | {"reason": "Not now"}),
    (test_retention.year, "report_retention", "retention", YEAR),
    (test_concentration.year, "report_concentration", "concentration", YEAR | {"top": "20"}),
    (test_partners.year, "report_partners", "partners", {"from": "2025-01-01", "to": "2025-02-10"}),
    (tried, "report_lift", "lift", {}),
]


@pytest.mark.parametrize(("happened", "page", "name", "asked"), SAME)
def test_a_report_tells_the_figures_of_its_page_and_each_opens_as_many_rows_as_it_counts(
    api: Client, client: Client, happened: Callable[[], Any], page: str, name: str, asked: dict[str, str]
) -> None:
    happened()
    client.force_login(reader())
    shown = client.get(f"{reverse(page)}?{urlencode(asked)}")
    told = report(api, name, **asked)
    found = {
        (each["people"].partition("?")[2], each["metric"], each["text"]) for each in figures(told) if each["people"]
    }
    on_page = {(url.partition("?")[2], metric, text.strip()) for url, metric, _count, text in doors(shown)}
    assert on_page and on_page <= found
    assert {metric for _query, metric, _text in found} <= set(told["definitions"])
    for each in {each["people"]: each for each in figures(told) if each["people"]}.values():
        assert each["count"] is not None and len(pages(api, each["people"])) == each["count"], each


def test_a_share_tells_its_base_and_interval_and_the_identity_of_the_ledger_holds(api: Client) -> None:
    funnel()
    told = report(api, "funnel", **JANUARY)
    lead = next(each["figures"] for each in told["stages"] if each["stage"] == "lead")
    assert [lead[name]["value"] for name in ("balance_start", "in_flow", "out_flow", "balance_end")] == [1, 6, 6, 1]
    assert sum(each["value"] for name, each in lead.items() if name.startswith("out_") and name != "out_flow") == 6
    share = lead["to_next"]
    assert share["value"] == share["count"] / share["of"] and share["interval"][0] < share["value"]
    assert (told["lifecycle"], told["from"], told["to"], told["left_out"]["value"]) == (
        "sales", "2025-01-01", "2025-02-01", 1,
    )  # fmt: skip
    assert "Moves into the stage" in told["definitions"]["in_flow"]


def test_the_buckets_of_a_split_add_up(api: Client) -> None:
    funnel()
    told = report(api, "funnel", **JANUARY, split="person.country")
    assert {each["value"] for each in told["buckets"]} >= {"DE", "FR"}
    everybody = next(each["figures"] for each in told["stages"] if each["stage"] == "lead")["entered"]["value"]
    assert sum(each["figures"]["reached_lead"]["value"] for each in told["buckets"]) == everybody


def test_one_campaigns_lift_is_told_with_what_it_is_told_from(api: Client) -> None:
    tried()
    [row] = report(api, "lift")["campaigns"]
    assert (row["rate"]["count"], row["rate"]["of"], row["held_out_rate"]["count"]) == (20, 40, 10)
    assert row["lift"]["value"] == pytest.approx(0.25) and row["p"] == pytest.approx(0.021, abs=0.001)
    whole = report(api, f"lift/{row['campaign']}")
    assert {name: whole[name] for name in row} == row and whole["sections"]
    assert report(api, "lift", lifecycle="other")["campaigns"] == []
    problem(api.get("/api/v1/reports/lift/nothing/"), 404, "not_found")


# ---- what is not understood ----


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("funnel/?lifecycle=nothing", 400, "not_understood"), ("funnel/?within=soon", 400, "not_understood"),
        ("funnel/?from=monday", 400, "not_understood"), ("funnel/?split=person.shoe", 400, "not_understood"),
        ("funnel/?known=then", 400, "not_understood"), ("funnel/?sort=name", 400, "unknown_parameter"),
        ("hand-offs/", 404, "nothing_to_report"), ("retention/?of=dogs", 400, "not_understood"),
        ("people/?lifecycle=sales", 404, "no_such_figure"), ("people/?metric=in_flow", 404, "no_such_figure"),
        ("people/?lifecycle=sales&metric=in_flow&stage=nowhere", 404, "no_such_figure"),
        ("people/?lifecycle=sales&metric=in_flow&stage=lead&page=2", 400, "unknown_parameter"),
        ("people/?lifecycle=sales&metric=in_flow&stage=lead&limit=0", 400, "bad_number"),
        ("customers/?metric=recurring&part=nothing", 404, "no_such_figure"),
        ("ledger/?x=1", 400, "unknown_parameter"),
    ],
)  # fmt: skip
def test_what_a_report_does_not_understand_is_an_error_and_not_another_report(
    api: Client, address: str, status: int, code: str
) -> None:
    january()
    problem(api.get(f"/api/v1/reports/{address}"), status, code)


def test_without_a_lifecycle_there_is_nothing_to_report(api: Client) -> None:
    for name in ("funnel", "hand-offs", "time", "loops"):
        problem(api.get(f"/api/v1/reports/{name}/"), 404, "nothing_to_report")
    assert report(api, "lift") == {"campaigns": [], "definitions": report(api, "lift")["definitions"]}


# ---- the people ----


def test_the_rows_behind_a_figure_are_read_page_by_page_in_a_fixed_number_of_queries(
    api: Client, django_assert_max_num_queries: Any
) -> None:
    sales = lifecycle()
    for _ in range(7):
        walk(sales, ("lead", 2), ("mql", 5))
    filling.fill(sales, now=NOW)
    asked = urlencode(JANUARY | {"lifecycle": "sales", "metric": "velocity", "stage": "lead", "target": "mql"})
    with django_assert_max_num_queries(9):
        found = pages(api, f"/api/v1/reports/people/?{asked}")
    assert [each["days"] for each in found] == [3] * 7
    assert {each["membership"] for each in found} == set(Membership.objects.values_list("pk", flat=True))
    assert pages(api, f"/api/v1/reports/people/?{asked}&limit=3&ordering=-pk") == found[::-1]


def test_a_salesperson_reads_whole_figures_and_finds_their_own_people_behind_them() -> None:
    seller = asking.user(User.Role.SALES, "cy@example.com")
    sales = lifecycle()
    own = walk(sales, ("lead", 2), owner=seller)
    walk(sales, ("lead", 3))
    filling.fill(sales, now=NOW)
    api = asking.by(seller)
    told = report(api, "funnel", **JANUARY)
    came = next(each["figures"]["in_flow"] for each in told["stages"] if each["stage"] == "lead")
    assert came["count"] == 2
    assert [each["membership"] for each in pages(api, came["people"])] == [own.pk]
    problem(send(api, "/api/v1/reports/ledger/check/"), 403, "role_may_not")
    problem(asking.by(seller, "people:read").get("/api/v1/reports/funnel/"), 403, "scope_missing")


# ---- the ledger ----


def test_the_ledger_is_checked_now_and_tells_what_it_found(api: Client) -> None:
    sales = january()
    assert report(api, "ledger")["lifecycles"][0] == {
        "lifecycle": "sales", "checked_at": None, "memberships": None, "movements": None, "found": None, "findings": [],
    }  # fmt: skip
    job = send(api, "/api/v1/reports/ledger/check/")
    assert job.status_code == 202
    assert send(api, "/api/v1/reports/ledger/check/").json()["id"] == job.json()["id"]
    jobs.run(job.json()["id"], NOW)
    told = report(api, "ledger")
    assert (told["lifecycles"][0]["found"], told["lifecycles"][0]["memberships"], told["job"]["state"]) == (
        0,
        8,
        "done",
    )

    seller = asking.user(User.Role.SALES, "cy@example.com")
    member = sales.membership_set.filter(ended_at=None).earliest("pk")
    Membership.objects.filter(pk=member.pk).update(seq=9)
    integrity.run(sales, now=NOW + timedelta(days=1))
    [finding] = report(api, "ledger")["lifecycles"][0]["findings"]
    assert (finding["kind"], finding["membership"]) == ("membership", member.pk)
    assert report(asking.by(seller), "ledger")["lifecycles"][0] | {"findings": []} == (
        report(api, "ledger")["lifecycles"][0] | {"findings": []}
    )
    assert report(asking.by(seller), "ledger")["lifecycles"][0]["findings"] == []
