"""What a cell becomes: every way of writing one thing, and every thing that is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection

from audience.importing import values
from kit import addresses
from kit.sql import Sql, rows, sql, value

pytestmark = pytest.mark.django_db


def read(of_type: values.Type, text: str, zone: str = "Europe/Berlin") -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
    query = sql(
        "SELECT {} FROM (SELECT {} AS n OFFSET 0) c", of_type.read(Sql("n")), of_type.clean(sql("{}::text", text))
    )
    if of_type.name in ("instant", "date"):
        query = sql("SELECT ({})::text", query)
    return value(query)


@pytest.mark.parametrize(
    "text, instant",
    [
        ("2024-01-02", "2024-01-02 00:00:00+01"),
        ("2024-02-29", "2024-02-29 00:00:00+01"),
        ("2023-02-29", None),
        ("2024-01-31 23:59:59", "2024-01-31 23:59:59+01"),
        ("2024-01-02 24:00:00", None),
        ("2024-01-02 10:60:00", None),
        ("2024-1--02", None),
        ("2024-01-02 1:-10:00", None),
        ("2024-01-02 ::10:0000", None),
        ("2024-01-02 1 :00:00", None),
        ("2024-01-02T23:59:59", "2024-01-02 23:59:59+01"),
        ("2024-01-02T23:59:59Z", "2024-01-03 00:59:59+01"),
        ("2024-01-02T23:60:59Z", None),
        ("2024-01-0 ", None),
        ("2024-04-31", None),
        ("2024-13-01", None),
        ("2020-12-30 3:15:52", "2020-12-30 03:15:52+01"),
        ("2010-10-14T12:00:00.000Z", "2010-10-14 14:00:00+02"),
        ("2009-07-14T14:14:45+0200", "2009-07-14 14:14:45+02"),
        ("2020-01-23 17:09:29.889 UTC", "2020-01-23 18:09:29.889+01"),
        ("07/15/2009 02:14:45+0800", "2009-07-14 20:14:45+02"),
        ("5/6/2020 3:15 PM", "2020-05-06 15:15:00+02"),
        ("2020/5/3", "2020-05-03 00:00:00+02"),
        ("3 Mar 2021", "2021-03-03 00:00:00+01"),
        ("March 3rd, 2021 10:00", "2021-03-03 10:00:00+01"),
        ("20210304", "2021-03-04 00:00:00+01"),
        ("1583000000", "2020-02-29 19:13:20+01"),
        ("31/12/2020", None),
        ("2009\\7\\14 22:14:45", None),
        ("2020-01-01 25:00", None),
        ("2020-01-01 13:00 PM", None),
        ("now", None),
        ("infinity", None),
        ("today", None),
        ("0000-00-00", None),
        ("", None),
    ],
)
def test_dates_are_read_as_people_write_them_and_nothing_else_is(text: str, instant: str | None) -> None:
    assert read(values.INSTANT, text) == instant


def test_the_day_comes_first_where_the_column_says_so() -> None:
    german = values.dated(values.DATE, "dmy")
    assert read(german, "24.12.2020") == "2020-12-24"
    assert read(german, "3/4/2020") == "2020-04-03"
    assert read(values.DATE, "3/4/2020") == "2020-03-04"


def test_a_date_of_an_instant_is_its_local_day() -> None:
    assert read(values.DATE, "2024-06-30T23:30:00Z") == "2024-07-01"


def test_a_time_that_the_clocks_skipped_is_found() -> None:
    def skipped(text: str) -> object:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('TimeZone', 'Europe/Berlin', true)")
        stored = sql("{}::text", text)
        return value(sql("SELECT {}", values.skipped_by_clocks(stored, sql("{}::timestamptz", text), "Europe/Berlin")))

    assert skipped("2021-03-28 02:30:00") is True
    assert skipped("2021-03-28 02:30:00Z") is False
    assert skipped("2021-03-28 03:30:00") is False
    assert skipped("2021-03-28") is False
    assert skipped("2021-03-28 02:30:00+02:00") is False


@pytest.mark.parametrize(
    "text, number",
    [
        ("1", 1), ("1.5", 1.5), ("1,234", 1234), ("1,234.56", 1234.56), ("1.234,56", 1234.56), ("1.234.567", 1234567),
        ("12,5", 12.5), ("$1,234.50", 1234.5), ("1 234,56 €", 1234.56), ("(1,234)", -1234), ("-5", -5), ("12%", 12),
        ("EUR 12.50", 12.5), ("12.50 USD", 12.5), ("1.5E+07", 15_000_000), (".5", 0.5),
        ("1e400", None), ("NaN", None), ("Infinity", None), ("9" * 40, None), ("abc", None), ("1_000", None), ("٣", None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them_and_nothing_else_is(text: str, number: float | None) -> None:
    assert read(values.NUMBER, text) == (None if number is None else Decimal(str(number)))


def test_money_is_kept_in_minor_units_of_its_currency() -> None:
    found = rows(
        sql(
            "SELECT currency, {} FROM (VALUES ('EUR'), ('JPY'), ('KWD')) c (currency)",
            values.minor(sql("{}::numeric", "12.345"), Sql("currency")),
        )
    )
    assert dict(found) == {"EUR": 1235, "JPY": 12, "KWD": 12345}


ADDRESSES = [
    ("A@B.de", "a@b.de"),
    ("x.y+z@ex-ample.co.uk", "x.y+z@ex-ample.co.uk"),
    ("jeff@xn--bcher-kva.de", "jeff@xn--bcher-kva.de"),
    ("a" * 64 + "@b.de", "a" * 64 + "@b.de"),
    ("a" * 65 + "@b.de", None),
    ("x@" + "a" * 64 + ".de", None),
    ("x@" + "a." * 130 + "de", None),
    ("a..b@c.d", None),
    (".a@c.de", None),
    ("a@b", None),
    ("@b.de", None),
    ("a b@c.de", None),
    ("a@-b.de", None),
    ("a@b.de\x01", None),
    ("a\n@b.de", None),
    ("é@b.de", None),
    ("a@b.de, c@d.de", None),
]


@pytest.mark.parametrize("text, kept", ADDRESSES)
def test_an_email_is_kept_in_one_form_or_refused(text: str, kept: str | None) -> None:
    assert read(values.EMAIL_ADDRESS, text) == kept


@pytest.mark.parametrize("text, kept", ADDRESSES)
def test_python_and_the_database_agree_on_emails(text: str, kept: str | None) -> None:
    assert addresses.email(f" {text} ") == kept


def test_domains_in_other_scripts_become_punycode_and_local_parts_are_never_rewritten() -> None:
    assert addresses.email("Jeff@Bücher.de") == "jeff@xn--bcher-kva.de"
    assert addresses.ascii_domain("https://臺網中心.tw/x") == "https://xn--fiqq24b10vi0d.tw/x"
    assert addresses.email("jörg@example.com") is None


@pytest.mark.parametrize(
    "text, domain",
    [
        ("http://www.Foo.com/bar?x", "foo.com"),
        ("WikiFire.co.uk", "wikifire.co.uk"),
        ("https://foo.com:8080", "foo.com"),
        ("bad domain", None),
        ("localhost", None),
    ],
)
def test_a_domain_is_taken_out_of_a_web_address(text: str, domain: str | None) -> None:
    assert read(values.SITE, text) == domain


def test_yes_and_no_have_many_names() -> None:
    assert [read(values.YES_NO, text) for text in ("Yes", "TRUE", "1", "no", "False", "0", "maybe")] == [
        True, True, True, False, False, False, None,
    ]  # fmt: skip
