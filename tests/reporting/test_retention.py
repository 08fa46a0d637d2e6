"""Retention against a bridge counted by hand, and every figure of its page against its list."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from audience.commerce import rates
from kit import installation
from kit.models import AuditEntry, User
from kit.sql import rows
from kit.statistics import Share
from reporting import metrics, retention
from reporting.money import MoneyQuestion, Of
from reporting.windows import Window
from tests import factories
from tests.reporting.commerce import amended, contract, firm
from tests.reporting.test_pages import doors, exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
YEAR = Window(date(2024, 1, 1), date(2025, 1, 1))


def asked(**more):
    return MoneyQuestion(YEAR, date(2025, 2, 1), "EUR", **more)


def year():
    """Ten customers; what they add up to over 2024 is in the tables below (euros)."""
    contract(firm("Stays"), date(2023, 1, 1), 1000)
    amended(contract(firm("Grows"), date(2023, 3, 1), 500), date(2024, 6, 1), 800)
    amended(contract(firm("Shrinks"), date(2022, 1, 1), 600), date(2024, 12, 31), 400)
    contract(firm("Leaves"), date(2023, 1, 1), 300, date(2024, 1, 1))  # not in force on the first day of the year
    contract(firm("Goes last day"), date(2023, 1, 1), 50, date(2024, 12, 31))
    contract(firm("Goes next year"), date(2023, 1, 1), 70, date(2025, 1, 1))  # in force on every day of the year
    contract(firm("New"), date(2024, 1, 1), 250)
    returning = firm("Returns")
    contract(returning, date(2021, 1, 1), 90, date(2022, 1, 1))
    contract(returning, date(2024, 5, 1), 120)
    moves = firm("Changes contract")
    contract(moves, date(2023, 1, 1), 200, date(2024, 7, 1))
    contract(moves, date(2024, 7, 1), 260)
    contract(firm("Came and went"), date(2024, 2, 1), 999, date(2024, 3, 1))
    contract(firm("In dollars"), date(2023, 1, 1), 5000, currency="USD")
    contract(firm("Test", is_excluded=True), date(2023, 1, 1), 5000)
    # What a later amendment says is not known of the year, and one before it is.
    old = contract(firm("Amended before and after"), date(2020, 1, 1), 1, None)
    amended(old, date(2021, 1, 1), 30)
    amended(old, date(2025, 1, 1), 77)


def test_the_bridge_of_the_year_is_as_counted_by_hand():
    year()
    found = {part: (count, cents / 100) for part, (count, cents) in retention.answer(asked()).recurring.items()}
    assert found == {
        "start": (8, 1000 + 500 + 600 + 300 + 50 + 70 + 200 + 30),
        "churn": (2, 350),
        "contraction": (1, 200),
        "expansion": (2, 300 + 60),
        "new": (1, 250),
        "returning": (1, 120),
        "end": (8, 1000 + 800 + 400 + 70 + 250 + 120 + 260 + 30),
        "kept": (6, 1000 + 500 + 400 + 70 + 200 + 30),
    }


def test_the_bridge_adds_up_and_the_rates_follow():
    year()
    answer = retention.answer(asked())
    of = {part: cents for part, (_count, cents) in answer.recurring.items()}
    assert of["start"] - of["churn"] - of["contraction"] + of["expansion"] + of["new"] + of["returning"] == of["end"]
    assert answer.grr == pytest.approx((2750 - 350 - 200) / 2750)
    assert answer.nrr == pytest.approx((2750 - 350 - 200 + 360) / 2750)
    assert answer.logo_churn == Share(2, 8)
    assert answer.converted.apart == 1


def test_a_rate_that_moves_makes_nothing_of_a_contract_that_stays():
    year()
    before = {name: total for name, (_count, total) in retention.answer(asked()).recurring.items()}
    for day, rate in ((date(2022, 1, 1), "0.5"), (date(2023, 6, 1), "0.9")):
        rates.tell("USD", day, Decimal(rate), by=None, now=factories.NOW)
    now = retention.answer(asked()).recurring
    assert {name: total - before[name] for name, (_count, total) in now.items() if total != before[name]} == {
        "start": 2_500_00, "end": 2_500_00, "kept": 2_500_00,
    }  # fmt: skip


def test_without_a_start_there_is_no_rate():
    contract(firm("New"), date(2024, 5, 1), 100)
    answer = retention.answer(asked())
    assert (answer.grr, answer.nrr, answer.logo_churn.rate) == (None, None, None)


def test_a_contract_of_a_person_counts_for_their_account_or_for_them_alone():
    acme = firm("Acme")
    contract(factories.person(account=acme), date(2023, 1, 1), 100)
    contract(factories.person(), date(2023, 1, 1), 40)
    assert retention.answer(asked()).recurring["start"] == (1, 10_000)
    assert retention.answer(asked(of=Of.PEOPLE)).recurring["start"] == (1, 4_000)


def test_renewals_by_number_and_by_value():
    due = date(2024, 6, 1)
    later = date(2025, 6, 1)
    amended(contract(firm("Renewed for more"), date(2022, 6, 1), 100, renews_on=later), due, 130)
    amended(contract(firm("Renewed for less"), date(2023, 6, 1), 200, renews_on=later), due, 150)
    contract(firm("Lost on the day"), date(2023, 6, 1), 300, due, renews_on=due)
    contract(firm("Lost within grace"), date(2023, 6, 1), 50, due + timedelta(days=30), renews_on=due)
    contract(firm("Ended, no renewal date"), date(2023, 6, 1), 20, date(2024, 8, 1))
    contract(firm("By itself"), date(2023, 6, 1), 10, renews_on=due, auto_renew=True)
    contract(firm("Forgotten"), date(2023, 6, 1), 5, renews_on=due)
    contract(firm("Left before it was due"), date(2023, 6, 1), 1000, date(2024, 3, 1), renews_on=due)
    contract(firm("Ended a year on"), date(2023, 6, 1), 7, date(2025, 6, 1), renews_on=later)
    contract(firm("Not due"), date(2024, 6, 1), 1000, renews_on=later)
    answer = retention.answer(asked())
    found = {part: (count, cents / 100) for part, (count, cents) in answer.renewals.items()}
    assert found == {
        "due": (8, 100 + 200 + 300 + 50 + 20 + 10 + 5 + 7),
        "decided": (8, 692),
        "renewed": (4, 100 + 150 + 10 + 7),
        "lost": (4, 300 + 50 + 20 + 5),
        "open": (0, 0),
    }
    assert answer.renewed == Share(4, 8)
    assert answer.renewed_by_value == pytest.approx(267 / 692)


def test_a_renewal_within_grace_is_open():
    contract(firm("Due"), date(2023, 12, 20), 100, renews_on=date(2024, 12, 20))
    question = MoneyQuestion(YEAR, date(2025, 1, 19), "EUR")
    assert retention.answer(question).renewals["open"] == (1, 10_000)
    assert retention.answer(asked()).renewals["lost"] == (1, 10_000)


def test_every_part_has_as_many_rows_as_it_says():
    year()
    for name in ("recurring", "renewals"):
        metric = metrics.CUSTOMERS[name]
        for part, (count, _total) in metric.sums(asked()).items():
            assert len(rows(metric.rows(asked(), part))) == count


SPAN = {"from_": "2024-01-01", "to": "2025-01-01"}


def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor):  # noqa: F811
    year()
    contract(firm("Due"), date(2023, 12, 20), 100, renews_on=date(2024, 12, 20))
    found = {door[:2]: door for door in doors(page(visitor, "report_retention", **SPAN))}
    assert {metric for _, metric in found} == {"recurring", "renewals"}
    for url, metric, count, _shown in found.values():
        opened = visitor.get(url)
        assert opened.status_code == 200, url
        assert re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1) == count, (metric, url)
        assert len(exported(visitor.get(f"{url}&export=csv"))) - 1 == int(count), url


def test_the_page_shows_the_bridge_and_what_is_below_par(visitor):  # noqa: F811
    year()
    response = page(visitor, "report_retention", **SPAN)
    told = text(response)
    assert "80.0% par 92%" in told
    assert response.content.decode().count("is-bad") == 2
    assert "Churn -350.00" in told
    assert "1 row in USD, 5,000.00 USD, has no exchange rate of its day or before" in told
    assert exported(page(visitor, "report_retention", export="csv", **SPAN))[1] == ["recurring.start", "8", "2750.00"]


def test_the_list_shows_amounts_and_is_sorted_by_them(visitor):  # noqa: F811
    year()
    asked_for = {"metric": "recurring", "part": "expansion", **SPAN}
    told = text(page(visitor, "report_customers", **asked_for))
    assert told.index("Grows") < told.index("Changes contract")
    assert re.search(r"Grows 500\.00 EUR 800\.00 EUR 300\.00 EUR", told)
    assert "Nothing matches" in text(page(visitor, "report_customers", q="nobody", **asked_for))
    lines = exported(page(visitor, "report_customers", export="csv", sort="told_at_start", **asked_for))
    assert lines[1] == ["Changes contract", "200.00", "260.00", "60.00"]


@pytest.mark.parametrize(
    "asked_for", [{}, {"metric": "recurring"}, {"metric": "balance", "part": "start"}, {"metric": "\x00"}]
)
def test_an_address_of_no_figure_is_answered_kindly(visitor, asked_for):  # noqa: F811
    assert "There is no figure called" in text(page(visitor, "report_customers", 404, **asked_for))


def test_nonsense_is_left_out_with_a_note(visitor):  # noqa: F811
    contract(firm("Stays"), date(2023, 1, 1), 1000)
    told = text(page(visitor, "report_retention", of="cats", currency="XXX", window="someday"))
    assert "“cats” is not understood here" in told
    assert "“XXX” is not understood here" in told


def test_without_contracts_the_page_says_why(visitor):  # noqa: F811
    assert "No contract was in force in this time span" in text(page(visitor, "report_retention"))


def test_pars_are_set_by_those_who_may_edit(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    contract(firm("Stays"), date(2023, 1, 1), 1000)
    shown = reverse("report_retention")
    assert "Par of GRR" in client.get(shown).content.decode()
    answer = client.post(reverse("report_pars"), {"grr_par": "95", "nrr_par": "110", "next": shown})
    assert (answer.status_code, answer.url) == (302, shown)
    assert (installation.get("grr_par"), installation.get("nrr_par")) == (95, 110)
    assert AuditEntry.objects.get().after == {"grr_par": 95, "nrr_par": 110}
    client.post(reverse("report_pars"), {"grr_par": "-1", "nrr_par": "x"})
    assert installation.get("grr_par") == 95
    client.force_login(User.objects.create_user("sal@example.com", "x", role=User.Role.SALES))
    assert "Par of GRR" not in client.get(shown).content.decode()


def test_the_statements_of_the_page_are_counted(visitor, django_assert_num_queries):  # noqa: F811
    year()
    page(visitor, "report_retention", **SPAN)
    with django_assert_num_queries(19):
        page(visitor, "report_retention", **SPAN)
