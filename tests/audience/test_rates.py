"""Exchange rates: told with both clocks, corrected, taken back, brought by files; and amounts converted by them."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from audience.commerce import contracts, pipelines, rates
from audience.importing import rollback
from audience.models import Contract, ContractAmendment, Deal, ExchangeRate, Pipeline
from audience.subjects.people import BadValue
from kit import installation, jobs
from kit.models import AuditEntry, User
from kit.sql import sql
from tests.audience.importing.bringing import bring, counts, rejects
from tests.factories import NOW, account, days_ago, deal

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def ada(client):
    made = User.objects.create_user("ada@example.com", "x", name="Ada", role=User.Role.MARKETER, may_export=True)
    client.force_login(made)
    return made


def tell(currency, day, rate, now=NOW):
    return rates.tell(currency, date.fromisoformat(day), rate and D(rate), by=None, now=now)


def added(*rows, known=None):
    told = [sql("SELECT {}::text, {}::bigint, {}::text, {}::date", "", *row) for row in rows]
    return rates.added(
        sql("SELECT * FROM ({}) t (bucket, amount, currency, day)", sql(" UNION ALL ".join(["{}"] * len(told)), *told)),
        "EUR",
        known,
    )


def test_an_amount_is_converted_at_the_latest_rate_on_or_before_its_day_row_by_row():
    tell("USD", "2025-01-10", "0.90")
    tell("USD", "2025-03-01", "0.95")
    tell("JPY", "2025-01-01", "0.00625")
    found = added(
        (100_00, "EUR", "2025-01-01"),
        (10_01, "USD", "2025-01-10"),  # 9.009 is 9.01
        (10_01, "USD", "2025-02-28"),  # the same
        (100_00, "USD", "2025-03-01"),  # 95.00
        (1_000, "JPY", "2025-05-05"),  # 1000 yen are 6.25
        (50_00, "USD", "2025-01-09"),  # before the first rate
        (7_00, "GBP", "2025-05-05"),
        (None, "USD", "2025-05-05"),
        (3_00, "", "2025-05-05"),
    )
    assert found.total == 100_00 + 9_01 + 9_01 + 95_00 + 6_25 == 219_27
    assert found.sums == {"EUR": 219_27, "": 3_00, "GBP": 7_00, "USD": 50_00}
    assert (found.count, found.unknown, found.apart) == (9, 1, 2)
    assert [line.replace("\xa0", " ") for line in found.words()] == [
        "1 row in GBP, 7.00 GBP, has no exchange rate of its day or before and is not added.",
        "Of this, 1,000 JPY in 1 row was converted, at a rate of 0.00625 (Jan 1, 2025).",
        "Of this, 120.02 USD in 3 rows were converted, at rates of 0.90 to 0.95 (Jan 10, 2025 to Mar 1, 2025).",
        "1 row in USD, 50.00 USD, has no exchange rate of its day or before and is not added.",
    ]


def test_a_correction_counts_from_when_it_was_told_and_a_day_that_is_taken_back_falls_to_the_one_before():
    tell("USD", "2025-01-01", "0.80", days_ago(30))
    tell("USD", "2025-01-02", "0.90", days_ago(30))
    assert not tell("USD", "2025-01-02", "0.90", days_ago(20))
    assert tell("USD", "2025-01-02", "0.70", days_ago(10))
    row = (100, "USD", "2025-02-02")
    assert [added(row, known=at).total for at in (days_ago(40), days_ago(10), days_ago(9), None)] == [0, 90, 70, 70]
    assert tell("USD", "2025-01-02", None)
    assert added(row).total == 80 and added(row, known=NOW).total == 70
    assert ExchangeRate.objects.count() == 4
    assert AuditEntry.objects.filter(action="rate.tell").count() == 4
    told = rates.current().values_list("day", "rate")
    assert list(told) == [(date(2025, 1, 1), D("0.80"))]
    assert set(rates.current(days_ago(15)).values_list("rate", flat=True)) == {D("0.80"), D("0.90")}


@pytest.mark.parametrize(
    ("currency", "rate"),
    [("EUR", "1"), ("XXX", "1"), ("USD", "0"), ("USD", "-1"), ("USD", "NaN"), ("USD", "1e9"), ("USD", "0." + "1" * 13)],
)
def test_rates_that_cannot_be_are_refused(currency, rate):
    with pytest.raises(BadValue):
        tell(currency, "2025-01-01", rate)


def test_rates_are_of_the_currency_that_reports_are_in():
    tell("USD", "2025-01-01", "0.9")
    installation.put("currency", "GBP")
    assert not rates.current().exists() and added((1, "USD", "2025-02-02")).total == 1


def test_a_board_adds_what_has_a_rate_and_says_so(client, ada):
    pipelines.ensure_defaults(NOW)
    sales, firm = Pipeline.objects.get(), account(name="Acme")
    for stage, amount, currency in (("Proposal", 100_00, "EUR"), ("Proposal", 50_00, "USD"), ("Demo", 9_00, "CHF")):
        deal(firm, NOW, stage=stage, amount=amount, currency=currency)
    deal(firm, days_ago(90), days_ago(80), amount=10_00, currency="USD")
    tell("USD", days_ago(100).date().isoformat(), "0.5")
    tell("USD", days_ago(10).date().isoformat(), "0.8")
    board = pipelines.board(sales, Deal.objects.all(), NOW.date())
    assert board.sums == {"EUR": 140_00, "CHF": 9_00} and board.weighted == {"CHF": 2_25, "EUR": 70_00}
    closed = pipelines.closed(Deal.objects.all(), None, None)
    assert closed.sums == {"EUR": 5_00}  # at the rate of its own day
    page = client.get(reverse("deal_board")).content.decode().replace("\xa0", " ")
    assert "Of this, 50.00 USD in 1 row was converted, at a rate of 0.80" in page
    assert "1 row in CHF, 9.00 CHF, has no exchange rate" in page


def test_a_contract_is_worth_what_it_was_when_its_value_was_agreed():
    tell("USD", "2024-01-01", "0.50")
    tell("USD", "2025-01-01", "0.90")
    given = {"account": account(), "source": "x", "recorded_at": NOW, "currency": "USD", "annual_value": 100_00}
    held = Contract.objects.create(external_id="1", starts_on=date(2024, 2, 1), **given)
    worth = lambda on: rates.added(contracts.amounts(Contract.objects.all(), on), "EUR").total  # noqa: E731
    assert worth(date(2025, 6, 1)) == 50_00
    ContractAmendment.objects.create(contract=held, valid_from=date(2025, 3, 1), annual_value=200_00, recorded_at=NOW)
    assert [worth(date(2025, 2, 28)), worth(date(2025, 3, 1))] == [50_00, 180_00]


def test_rates_come_by_a_file_are_corrected_by_another_and_go_back():
    tell("USD", "2025-01-01", "0.9", days_ago(400))
    text = b"Date;Currency;Rate\n01.01.2025;usd;0,91\n02.01.2025;USD;0,92\n02.01.2025;EUR;1\n02.01.2025;ABC;1\n03.01.2025;USD;0\n"
    imported = bring(text, "exchange_rates", source="ecb")
    assert counts(imported) == {"rows": 5, "created": 1, "updated": 1, "rejected": 3}
    assert [(row, column) for row, column, _why in rejects(imported)] == [(4, "Currency"), (5, "Currency"), (6, "Rate")]
    held = dict(rates.current().values_list("day", "rate"))
    assert held == {date(2025, 1, 1): D("0.91"), date(2025, 1, 2): D("0.92")}
    assert counts(bring(text, "exchange_rates", source="ecb"))["unchanged"] == 2
    job = rollback.begin(imported, by=None, now=NOW)
    jobs.run(job.pk, NOW)
    assert dict(rates.current().values_list("day", "rate")) == {date(2025, 1, 1): D("0.9")}


def test_rates_are_told_corrected_and_taken_back_on_pages_and_leave_as_a_file_that_returns(client, ada):
    new = reverse("exchange_rate_new")
    assert client.post(new, {"currency": "usd", "day": "2025-01-01", "rate": "0.92"}).status_code == 302
    for bad in ({"currency": "EUR"}, {"rate": "-1"}, {"rate": "1e400"}, {"day": "2025-02-30"}, {"currency": "\x00"}):
        answer = client.post(new, {"currency": "USD", "day": "2025-01-02", "rate": "0.92"} | bad)
        assert answer.status_code == 400, bad
    held = rates.current().get()
    assert client.post(reverse("exchange_rate", args=[held.pk]), {"rate": "0.95"}).status_code == 302
    held = rates.current().get()
    assert (held.currency, held.rate) == ("USD", D("0.95"))
    text = b"".join(client.get(reverse("exchange_rates"), {"export": "csv"}).streaming_content)
    assert text.decode("utf-8-sig").splitlines()[1].startswith("USD,2025-01-01,0.95,EUR,")
    assert counts(bring(text, "exchange_rates", name="exchange-rates.csv"))["unchanged"] == 1
    assert client.get(reverse("exchange_rates"), {"known": "2020-01-01"}).context["total"].count == 0
    assert client.post(reverse("exchange_rate_remove", args=[held.pk])).status_code == 302
    assert not rates.current().exists()
    assert client.get(reverse("exchange_rate", args=[held.pk])).status_code == 404
