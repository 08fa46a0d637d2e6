"""What partners bring against deals counted by hand, and every figure of the page against its list."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from audience.activity import activities
from audience.commerce import pipelines
from audience.models import Account, Activity, Deal
from kit.models import User
from kit.sql import sql
from lifecycle.models import Lifecycle, UsualStay
from reporting import filling, metrics, partners, plans, questions
from reporting.metrics import first_deal, partner_wins
from reporting.money import MoneyQuestion, Of
from reporting.windows import Window
from tests import asking, factories
from tests.reporting.commerce import firm
from tests.reporting.ledger import NOW, TODAY, lifecycle, on, walk
from tests.reporting.test_pages import doors, exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
WINDOW = Window(date(2025, 1, 1), date(2025, 2, 10))
SPAN = {"from_": "2025-01-01", "to": "2025-02-10"}
STAGES = (("onboarding", "success", "inventory"), ("enabled", "success", "inventory"), ("gold", "success", "terminal"))


def did(partner: Account, kind: str, day: int, about: Deal | None = None) -> Activity:
    """What a partner did on a day of January 2025, about a deal or not."""
    return factories.activity(partner, on(day), kind, properties={"deal": about.external_id} if about else {})


def sold(name: str, opened: int, closed: int | None = None, euros: int = 100, **more: Any) -> Deal:
    """A deal with a customer."""
    told = {"name": name, "amount": euros * 100, "currency": "EUR"} | more
    return factories.deal(firm(name), on(opened), on(closed) if closed else None, **told)


def year() -> Lifecycle:
    """Four partners; of seven wins three are sourced, one is influenced by what came later and one by name alone."""
    through = lifecycle("partners", of="account", stages_of=STAGES)
    Lifecycle.objects.update(species=Lifecycle.Species.PARTNER)
    quick, slow, idle, new = (firm(name) for name in ("Quick", "Slow", "Idle", "New"))
    walk(through, ("onboarding", -90), ("enabled", -70), subject=quick)
    walk(through, ("onboarding", -90), ("enabled", 1), subject=slow)
    walk(through, ("onboarding", -90), subject=idle)
    walk(through, ("onboarding", 20), subject=new)
    for partner, approved in ((quick, -90), (slow, -90), (idle, -90), (new, 20)):
        did(partner, "application_approved", approved)
    for partner, certified, call in ((quick, -60, -45), (slow, -59, -50)):  # the thirtieth day, and the one after
        did(partner, "partner_certified", certified)
        did(partner, "joint_call", call)
    for name, opened, closed in (("A", 5, 10), ("B", 6, 12)):
        did(quick, "deal_registered", 4, sold(name, opened, closed, partner=quick))
    did(slow, "deal_registered", 8, sold("C", 9, 20, 300, partner=slow))
    did(slow, "deal_supported", 12, sold("D", 11, 20, partner=slow))
    sold("E", 11, 20, partner=slow)
    sold("F", 11, 20)
    rival = sold("G", 11, 21)
    reversed_one = did(slow, "deal_registered", 3, rival)  # taken back: it never was
    activities.reverse(sql("SELECT {}::bigint AS id", reversed_one.pk), now=NOW)
    sold("Not in the window", 11, 41, partner=slow)
    sold("Still open", 11, partner=slow)
    Account.objects.filter(pk=sold("Test", 11, 20, partner=quick).account_id).update(is_excluded=True)
    contested = sold("Contested", 12)
    did(quick, "deal_registered", 10, contested)
    did(slow, "deal_registered", 11, contested)
    UsualStay.objects.create(lifecycle=through, stage="onboarding", day=date(2025, 1, 1), days=30, stays=12)
    filling.fill(through, now=NOW)
    return through


def answer(of: Lifecycle, window: Window = WINDOW, **more: Any) -> partners.Partners:
    plan = plans.read(of)
    assert plan is not None
    return partners.answer(MoneyQuestion(window, TODAY, "EUR", **more), questions.ask(plan, window, TODAY, now=NOW))


def test_wins_are_sourced_influenced_or_neither_as_counted_by_hand() -> None:
    told = answer(year())
    assert told.wins == {
        "won": (7, 90_000), "sourced": (3, 50_000), "top_three": (3, 50_000), "influenced": (2, 20_000),
        "neither": (2, 20_000),
    }  # fmt: skip
    assert told.of_won(partner_wins.SOURCED).rate == 3 / 7 and told.top.rate == 1
    assert told.conflicts == 1


def test_a_registration_at_the_very_moment_of_creation_is_not_before_it() -> None:
    year()
    partner = firm("Late")
    late = sold("Late", 15, 20, partner=partner)
    did(partner, "deal_registered", 15, late)
    question = MoneyQuestion(WINDOW, TODAY, "EUR")
    assert metrics.CUSTOMERS["partner_wins"].sums(question)["influenced"][0] == 3


def test_who_was_in_time_is_told_by_the_day_and_half_counts_those_without_a_deal() -> None:
    groups = answer(year()).groups
    quick, others = groups[first_deal.QUICK], groups[first_deal.OTHERS]
    assert (quick.to_deal, quick.still, quick.half_within) == ([94], [], 94)
    assert (others.to_deal, others.still) == ([98], [])
    assert groups[first_deal.EARLY].with_deal.of == 2, "one is not certified, of one it is too early to say"
    everybody = groups[first_deal.ALL]
    assert (everybody.with_deal.hits, everybody.with_deal.of, everybody.days.median) == (2, 4, 96)
    assert everybody.half_within == 98, "two of the three that were there so long: 2/3, then 1/3"


def test_what_came_after_the_window_is_not_in_it() -> None:
    groups = answer(year(), Window(date(2024, 1, 1), date(2025, 1, 2))).groups
    assert groups[first_deal.ALL].with_deal.hits == 0 and groups[first_deal.ALL].with_deal.of == 3


def test_those_stuck_are_told_by_stage() -> None:
    told = answer(year())
    assert {stage: ages.count for stage, ages in told.ages.items()} == {"onboarding": 2, "enabled": 2}
    assert told.stuck == {"onboarding": 1}


def test_every_figure_of_the_page_opens_a_list_of_its_length(visitor: Client) -> None:  # noqa: F811
    year()
    shown = page(visitor, "report_partners", **SPAN)
    assert "What successful partners did" in text(shown) and "deal was registered by more than one" in text(shown)
    found = {door[:2]: door for door in doors(shown)}
    assert len({metric for _url, metric in found}) == 6
    for url, _metric, count, _shown in found.values():
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode(), url
    lines = exported(page(visitor, "report_partners", export="csv", **SPAN))
    assert ["Wins", "sourced", "3", "", "", "", "500.00"] in lines


def test_wins_and_conflicts_are_of_the_pipeline_that_is_chosen_on_the_page_and_by_the_api(visitor: Client) -> None:  # noqa: F811
    through = year()
    pipelines.ensure_defaults(NOW)
    stages = [{"name": "Sent"}, {"name": "Won", "kind": "won"}, {"name": "Lost", "kind": "lost"}]
    second, first = pipelines.define("Renewals", stages, by=None, now=NOW), pipelines.first()
    Deal.objects.filter(name__in=("A", "D", "Contested")).update(pipeline="Renewals")
    # By hand: of the seven that were won A and D are renewals, A sourced and D influenced; so is what two registered.
    of_one, of_other = (answer(through, pipeline=each) for each in (second, first))
    assert (counts(of_one), of_one.conflicts) == ({"won": 2, "sourced": 1, "top_three": 1, "influenced": 1}, 1)
    assert (counts(of_other), of_other.conflicts) == (
        {"won": 5, "sourced": 2, "top_three": 2, "influenced": 1, "neither": 2}, 0,
    )  # fmt: skip
    assert of_one.groups == of_other.groups, "an approval is of no pipeline"
    shown = page(visitor, "report_partners", pipeline=second.pk, **SPAN)
    assert f'<option value="{second.pk}" selected' in shown.content.decode()
    found = {door[:3] for door in doors(shown)}
    assert {count for _url, metric, count in found if metric == "registration_conflicts"} == {"1"}
    for url, metric, count in found:
        assert f'id="behind" data-count="{count}"' in visitor.get(url).content.decode(), url
        assert metric not in ("partner_wins", "registration_conflicts") or f"pipeline={second.pk}" in url
    asked = {"from": "2025-01-01", "to": "2025-02-10"}
    api = asking.by(asking.user())
    told = api.get("/api/v1/reports/partners/", asked | {"pipeline": second.pk}).json()
    assert (told["pipeline"], api.get("/api/v1/reports/partners/", asked).json()["pipeline"]) == (second.pk, None)
    [wins] = [each for each in told["sections"] if each["id"] == "wins"]
    assert wins["table"]["sum"]["figures"][0]["value"] == 2
    refused = api.get("/api/v1/reports/partners/", asked | {"pipeline": "999999"})
    assert (refused.status_code, refused.json()["code"]) == (400, "not_understood")


def counts(told: partners.Partners) -> dict[str, int]:
    """How many deals were won, by part."""
    return {part: count for part, (count, _amount) in told.wins.items() if count}


def test_a_list_of_wins_names_the_partners_that_one_sees(client: Client) -> None:
    year()
    seller = User.objects.create_user("ann@example.com", "x", role=User.Role.SALES)
    Account.objects.filter(name__in=("A", "Quick")).update(owner=seller)
    Account.objects.filter(name="C").update(owner=seller)
    client.force_login(seller)
    listed = text(page(client, "report_customers", metric="partner_wins", part="won", **SPAN))
    assert "Quick" in listed and "Slow" not in listed and "3 of" in listed


def test_partners_are_accounts_whatever_the_address_says(visitor: Client) -> None:  # noqa: F811
    year()
    shown = page(visitor, "report_customers", metric="first_deal", part="approved", of=Of.PEOPLE, **SPAN)
    assert "Quick" in text(shown)


def test_without_a_lifecycle_of_partners_the_page_says_so(visitor: Client) -> None:  # noqa: F811
    assert "No lifecycle of partners is published yet" in text(page(visitor, "report_partners"))


def test_a_time_span_before_everything_says_what_is_not_in_it(visitor: Client) -> None:  # noqa: F811
    year()
    early = page(visitor, "report_partners", from_="2024-01-01", to="2024-02-01")
    assert "No deal was won in this time span" in text(early) and "No partner was approved" in text(early)
