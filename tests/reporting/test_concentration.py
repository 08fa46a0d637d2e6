"""Concentration against shares counted by hand, and every figure of its page against its list."""

import re
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience.commerce import rates
from kit.sql import rows
from reporting import concentration, metrics
from reporting.concentration import lorenz
from reporting.money import Basis, MoneyQuestion, Of
from reporting.windows import Window
from tests import factories
from tests.reporting.commerce import amended, bought, contract, firm
from tests.reporting.test_pages import doors, exported, page, text, visitor  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
YEAR = Window(date(2024, 1, 1), date(2025, 1, 1))
DAY = date(2024, 5, 1)


def asked(**more):
    return MoneyQuestion(YEAR, date(2025, 2, 1), "EUR", **more)


def year():
    """Six active firms with margins 500, 200, 150, 100, 50, 0, one with a loss, and others that do not count."""
    for name, amount, cost in (
        ("A", 800, 300), ("B", 400, 200), ("C", 150, None), ("D", 130, 30), ("E", 60, 10), ("F", 20, 20), ("Loss", 10, 90),
    ):  # fmt: skip
        bought(firm(name), DAY, amount, cost)
    b = firm("Not in the year")
    bought(b, date(2025, 1, 1), 1000)
    bought(b, date(2023, 12, 31), 1000)
    bought(firm("In dollars"), DAY, 1000, currency="USD")
    bought(firm("Test", is_excluded=True), DAY, 1000)
    bought(factories.person(), DAY, 77)


def test_the_top_of_the_year_is_as_counted_by_hand():
    year()
    answer = concentration.answer(asked())
    assert answer.amounts == (50_000, 20_000, 15_000, 10_000, 5_000, 0)
    assert answer.sums == {"top": (2, 70_000), "active": (6, 100_000), "negative": (1, -8_000)}  # ceil(1.2) are two
    assert answer.share == 0.7
    assert answer.without_cost == 1
    assert answer.converted.apart == 1
    assert [answer.top(percent) for percent in (1, 20, 50)] == [(1, 50_000), (2, 70_000), (3, 85_000)]


def test_gini_is_as_by_hand():
    year()
    # Rising: 0, 50, 100, 150, 200, 500; 2 (1·0 + 2·50 + 3·100 + 4·150 + 5·200 + 6·500) / (6 · 1000) − 7/6
    assert concentration.answer(asked()).gini == pytest.approx(2 * 5000 / 6000 - 7 / 6)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_gini_and_curve_hold_to_their_bounds(amounts):
    amounts = tuple(sorted(amounts, reverse=True))
    told = concentration.Concentration(asked(), amounts, {}, 0, 0)
    curve = lorenz(amounts, 100)
    if not sum(amounts):
        assert told.gini is None and curve == []
        return
    assert -1e-9 <= told.gini < 1
    assert curve[0] == (0, 0) and curve[-1] == (1, 1)
    assert all(y <= x + 1e-9 for x, y in curve)
    # Half the mean of all differences, of the mean: Gini's own definition.
    count, total = len(amounts), sum(amounts)
    differences = sum(abs(a - b) for a in amounts for b in amounts)
    assert told.gini == pytest.approx(differences / (2 * count * total))


def test_other_bases_and_people():
    year()
    assert concentration.answer(asked(basis=Basis.REVENUE)).sums["active"][1] == 157_000
    people = concentration.answer(asked(of=Of.PEOPLE))
    assert people.sums["active"] == (1, 7_700)
    amended(contract(firm("Acme"), date(2023, 1, 1), 100), date(2024, 7, 1), 120)
    contract(firm("Gone"), date(2023, 1, 1), 900, date(2024, 7, 1))
    assert concentration.answer(asked(basis=Basis.RECURRING)).sums["active"] == (1, 12_000)


def test_purchases_of_people_count_for_their_account():
    acme = firm("Acme")
    bought(factories.person(account=acme), DAY, 10)
    bought(acme, DAY, 5)
    assert concentration.answer(asked()).amounts == (1_500,)
    assert concentration.answer(asked(of=Of.PEOPLE)).amounts == ()


SPAN = {"from_": "2024-01-01", "to": "2025-01-01"}


@pytest.mark.parametrize("more", [{}, {"basis": "revenue", "top": "10"}])
def test_every_figure_of_the_page_opens_a_list_of_that_length(visitor, more):  # noqa: F811
    year()
    found = {door[:2]: door for door in doors(page(visitor, "report_concentration", **SPAN, **more))}
    assert len(found) >= 6
    for url, metric, count, _shown in found.values():
        assert metric == "concentration"
        opened = visitor.get(url)
        assert re.search(r'id="behind" data-count="(\d+)"', opened.content.decode()).group(1) == count, url
        assert len(exported(visitor.get(f"{url}&export=csv"))) - 1 == int(count), url


def test_every_part_has_as_many_rows_as_it_says():
    year()
    metric = metrics.CUSTOMERS["concentration"]
    for part, (count, _total) in metric.sums(asked()).items():
        assert len(rows(metric.rows(asked(), part))) == count


def test_the_page_shows_share_curve_and_what_is_apart(visitor):  # noqa: F811
    year()
    response = page(visitor, "report_concentration", **SPAN)
    told = text(response)
    assert "Share of the top 20 %" in told
    assert "70.0%" in told
    assert "Gini" in told and "0.50" in told
    assert "1 customer has a negative sum (-80.00 EUR in all)" in told
    assert "1 purchase does not say what it cost" in told
    assert '<polyline class="lorenz__curve" points="0.00,100.00' in response.content.decode()
    assert exported(page(visitor, "report_concentration", export="csv", **SPAN))[-1] == ["1.0", "1.0"]


def test_the_usual_basis_follows_what_is_known(visitor):  # noqa: F811
    assert "No active customer" in text(page(visitor, "report_concentration"))
    contract(firm("Acme"), date(2023, 1, 1), 100)
    assert "Annual value of contracts at the end" in text(page(visitor, "report_concentration"))
    bought(firm("B"), DAY, 10)
    assert '<option value="revenue" selected>' in page(visitor, "report_concentration").content.decode()
    bought(firm("C"), DAY, 10, 5)
    assert '<option value="margin" selected>' in page(visitor, "report_concentration").content.decode()


def test_what_was_bought_in_another_currency_counts_by_the_rate_of_its_day_and_the_page_says_so(visitor):  # noqa: F811
    year()
    rates.tell("USD", DAY, Decimal("0.5"), by=None, now=factories.NOW)
    rates.tell("USD", date(2024, 12, 1), Decimal("9"), by=None, now=factories.NOW)
    answer = concentration.answer(asked())
    assert answer.amounts[:2] == (50_000, 50_000) and answer.converted.apart == 0
    assert "Of this, 1,000.00 USD in 1 row was converted, at a rate of 0.50" in text(
        page(visitor, "report_concentration", **SPAN)
    ).replace("\xa0", " ")


def test_the_statements_of_the_page_are_counted(visitor, django_assert_num_queries):  # noqa: F811
    year()
    page(visitor, "report_concentration", **SPAN)
    with django_assert_num_queries(19):
        page(visitor, "report_concentration", **SPAN)
