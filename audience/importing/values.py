"""What a cell may be: per type, how its text is cleaned, read and refused, as expressions of SQL.

A cell (NULL when it is empty, without blanks at its ends) goes through two steps: `clean` makes one form of the many
in which people write the same thing, `read` turns that form into a value, NULL when it is none. A cell that is there
but gives no value is refused with the type's reason. Nothing here raises: a cast is only reached by text that it takes.

The session's time zone is the installation's while these run: a bare date is its local start, a time without an
offset is local time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from django.utils.translation import gettext_noop as _

from kit import addresses
from kit.sql import Sql, sql

DAY = (
    r"[12]\d{3}-(?:(?:0?[13578]|1[02])-(?:0?[1-9]|[12]\d|3[01])|(?:0?[469]|11)-(?:0?[1-9]|[12]\d|30)"
    r"|0?2-(?:0?[1-9]|1\d|2[0-8]))"
)
LEAP_DAY = r"[12]\d{3}-0?2-29"
TIME = (
    r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?|(?:0?[1-9]|1[0-2]):[0-5]\d(?::[0-5]\d)? ?[AaPp]\.?[Mm]\.?"
)
OFFSET = r" ?(?:Z|UTC|GMT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)"
CLOCK = rf"(?:(?:[T ]| T)(?:{TIME})(?:{OFFSET})?)?"
IS_DAY = rf"^{DAY}{CLOCK}$"
IS_LEAP_DAY = rf"^{LEAP_DAY}{CLOCK}$"
HAS_OFFSET = rf"\d{OFFSET}$"

# The parts of plain dates. Leap days and other years are left to the expressions above.
YEARS = [f"{year}-" for year in range(1900, 2100)]
DAYS = [(date(1999, 1, 1) + timedelta(days=day)).strftime("%m-%d") for day in range(365)]
HOURS = [f"{hour:02d}" for hour in range(24)]
SIXTIETHS = [f":{part:02d}" for part in range(60)]

PLAIN_NUMBER = r"^[+-]?\d{1,18}(\.\d{1,12})?$"
MOST = 10**15  # what a number may reach, and money in minor units safely too

YES = ["true", "yes", "y", "t", "1", "x", "on", "wahr", "ja", "是"]
NO = ["false", "no", "n", "f", "0", "off", "falsch", "nein", "否"]


@dataclass(frozen=True)
class Type:
    """One kind of value. `column` is its type in PostgreSQL; `wrong` says what a refused cell is not."""

    name: str
    column: str
    wrong: str
    clean: Callable[[Sql], Sql]
    read: Callable[[Sql], Sql]


def _lower(cell: Sql) -> Sql:
    return sql('lower({} COLLATE "C")', cell)


def _as_it_is(text: Sql) -> Sql:
    return text


def is_email(text: Sql) -> Sql:
    """True for an address. It costs as much as all else that is done to a row, so the import asks late: see EMAIL."""
    host = sql("substr({}, position('@' IN {}))", text, text)
    return sql(
        "({} ~ {} AND octet_length({}) <= {} AND position('@' IN {}) <= {} AND NOT (length({}) > 63 AND {} ~ {}))",
        text,
        addresses.EMAIL,
        text,
        addresses.LONGEST,
        text,
        addresses.LONGEST_LOCAL + 1,
        text,
        host,
        addresses.LONG_LABEL,
    )


def _email(text: Sql) -> Sql:
    return sql("CASE WHEN {} THEN {} END", is_email(text), text)


def _site(cell: Sql) -> Sql:
    """A domain out of an address of the web: no scheme, no "www.", no path."""
    bare = sql("regexp_replace({}, {}, '')", _lower(cell), r"^[a-z][a-z0-9+.-]*://")
    return sql("nullif(regexp_replace(regexp_replace({}, {}, ''), {}, ''), '')", bare, r"[/?#:].*$", r"^(www\.)+|\.$")


def _domain(text: Sql) -> Sql:
    return sql("CASE WHEN {} ~ {} AND length({}) <= 253 THEN {} END", text, addresses.DOMAIN, text, text)


def _written_date(order: str) -> Callable[[Sql], Sql]:
    """The year first, whichever way a date is written; `order` is "dmy" or "mdy" for those with the year last."""
    day, month = ("1", "2") if order == "dmy" else ("2", "1")

    def clean(cell: Sql) -> Sql:
        text = cell
        last = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})"
        short = r"^(\d{1,2})[/.](\d{1,2})[/.](\d{2})(?!\d)"
        first = r"^(\d{4})[/.](\d{1,2})[/.](\d{1,2})"
        named = r"^(\d{1,2})[ .-]+([A-Za-z]{3})[a-z]*[ .,-]+(\d{4})"
        english = r"^([A-Za-z]{3})[a-z]*[ .]+(\d{1,2})(?:st|nd|rd|th)?,? +(\d{4})"
        return sql(
            """CASE WHEN {} IS NULL OR {} LIKE '____-%%' THEN {}
                 WHEN {} ~ {} THEN regexp_replace({}, {}, {})
                 WHEN {} ~ {} THEN (SELECT CASE WHEN m[3] < '70' THEN '20' ELSE '19' END || m[3] || '-' || m[{}] || '-'
                     || m[{}] || m[4] FROM regexp_match({}, {}) m)
                 WHEN {} ~ {} THEN regexp_replace({}, {}, '\\1-\\2-\\3')
                 WHEN {} ~ {} THEN (SELECT m[3] || '-' || {} || '-' || m[1] || m[4] FROM regexp_match({}, {}) m)
                 WHEN {} ~ {} THEN (SELECT m[3] || '-' || {} || '-' || m[2] || m[4] FROM regexp_match({}, {}) m)
                 WHEN {} ~ '^[12]\\d{{7}}$' THEN regexp_replace({}, '^(....)(..)(..)$', '\\1-\\2-\\3')
                 ELSE {} END""",
            text, text, text,
            text, last, text, last, rf"\3-\{month}-\{day}",
            text, short, Sql(month), Sql(day), text, short + "(.*)$",
            text, first, text, first,
            text, named, _month(2), text, named + "(.*)$",
            text, english, _month(1), text, english + "(.*)$",
            text, text, text,
        )  # fmt: skip

    return clean


def _month(group: int) -> Sql:
    names = "janfebmaraprmayjunjulaugsepoctnovdec"
    return sql("((position(lower(m[{}]) IN {}) + 2) / 3)::text", Sql(str(group)), names)


def _is_date(text: Sql) -> Sql:
    """Most dates are plain: their parts looked up in short lists cost a fraction of what an expression does."""
    day = sql("{} AND {}", _is_one_of(sql("left({}, 5)", text), YEARS), _is_one_of(sql("substr({}, 6, 5)", text), DAYS))
    clock = sql(
        "substr({}, 11, 1) IN ('T', ' ') AND {} AND {} AND {}",
        text,
        _is_one_of(sql("substr({}, 12, 2)", text), HOURS),
        _is_one_of(sql("substr({}, 14, 3)", text), SIXTIETHS),
        _is_one_of(sql("substr({}, 17, 3)", text), SIXTIETHS),
    )
    plain = sql(
        """CASE octet_length({}) WHEN 10 THEN {} WHEN 19 THEN {} AND {}
             WHEN 20 THEN right({}, 1) = 'Z' AND {} AND {} ELSE false END""",
        text, day, day, clock, text, day, clock,
    )  # fmt: skip
    year = sql("left({}, 4)::int", text)
    leap = sql("({} %% 4 = 0 AND ({} %% 100 <> 0 OR {} %% 400 = 0))", year, year, year)
    return sql(
        "CASE WHEN {} THEN true WHEN {} ~ {} THEN true WHEN {} ~ {} THEN {} ELSE false END",
        plain, text, IS_DAY, text, IS_LEAP_DAY, leap,
    )  # fmt: skip


def _is_one_of(text: Sql, words: Sequence[str]) -> Sql:
    """The database looks a text up by its hash where the list is a constant."""
    return sql("{} = ANY ({}::text[])", text, "{" + ",".join(words) + "}")


def _instant(text: Sql) -> Sql:
    return sql(
        """CASE WHEN {} THEN {}::timestamptz
             WHEN {} ~ '^1\\d{{9}}$' THEN to_timestamp({}::bigint)
             WHEN {} ~ '^1\\d{{12}}$' THEN to_timestamp({}::bigint / 1000.0) END""",
        _is_date(text), text, text, text, text, text,
    )  # fmt: skip


def _instant_in(zone: str) -> Callable[[Sql], Sql]:
    """An instant, of which a time without an offset is local time of this zone."""

    def read(text: Sql) -> Sql:
        local = sql("{}::timestamp AT TIME ZONE {}", text, zone)
        is_local = sql("{} AND {} !~ {}", _is_date(text), text, HAS_OFFSET)
        return sql("CASE WHEN {} THEN {} ELSE {} END", is_local, local, _instant(text))

    return read


def _date(text: Sql) -> Sql:
    return sql("CASE WHEN {} THEN {}::timestamptz::date END", _is_date(text), text)


def skipped_by_clocks(text: Sql, value: Sql, zone: str) -> Sql:
    """True for a local time that does not exist in its zone, because the clocks went forward over it."""
    local = sql("{} AT TIME ZONE {} <> {}::timestamp AND {} !~ {}", value, zone, text, text, HAS_OFFSET)
    return sql(
        """CASE WHEN {} IS NULL OR length({}) <= 11 OR {} NOT LIKE '____-%%' OR right({}, 1) = 'Z' THEN false
             ELSE {} END""",
        value, text, text, text, local,
    )  # fmt: skip


def _bare_number(cell: Sql) -> Sql:
    """A number without the signs of money, blanks and accountants' brackets."""
    bare = sql(
        "regexp_replace({}, {}, '', 'g')",
        cell,
        r"[\s\u00a0\u202f'’$€£¥₹%]|^[A-Za-z]{3}(?=[\s\d+-])|(?<=\d)\s*[A-Za-z]{3}$",
    )
    return sql("regexp_replace({}, {}, {})", bare, r"^\((.*)\)$", r"-\1")


def _written_number(cell: Sql) -> Sql:
    text, signed = cell, _bare_number(cell)
    return sql(
        """CASE WHEN {} IS NULL OR {} ~ {} THEN {} ELSE (SELECT CASE
             WHEN n ~ {} THEN replace(n, ',', '')
             WHEN n ~ {} THEN replace(replace(n, '.', ''), ',', '.')
             WHEN n ~ {} THEN replace(n, ',', '.')
             ELSE n END FROM (SELECT {} AS n OFFSET 0) written) END""",
        text, text, PLAIN_NUMBER, text,
        r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$",
        r"^[+-]?\d{1,3}(\.\d{3})+,\d+$|^[+-]?\d{1,3}(\.\d{3}){2,}$",
        r"^[+-]?\d+,\d+$",
        signed,
    )  # fmt: skip


def _separated_number(decimal: str) -> Callable[[Sql], Sql]:
    """How a number is read whose column writes fractions behind a "comma", or behind a "point"."""

    def clean(cell: Sql) -> Sql:
        written, plain = (
            (r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$", Sql("replace(replace(n, '.', ''), ',', '.')"))
            if decimal == "comma"
            else (r"^[+-]?\d{1,3}(,\d{2,3})+(\.\d+)?$", Sql("replace(n, ',', '')"))
        )
        return sql(
            """CASE WHEN {} IS NOT NULL THEN (
                 SELECT CASE WHEN n ~ {} THEN {} ELSE n END FROM (SELECT {} AS n OFFSET 0) bare) END""",
            cell, written, plain, _bare_number(cell),
        )  # fmt: skip

    return clean


def _number(text: Sql) -> Sql:
    small = r"^[+-]?(\d{1,18}(\.\d{1,18})?|\.\d{1,18})([eE][+-]?\d{1,2})?$"
    return sql(
        "CASE WHEN {} ~ {} THEN {}::numeric WHEN {} ~ {} AND abs({}::numeric) < {} THEN round({}::numeric, 12) END",
        text, r"^[+-]?\d{1,15}(\.\d{1,12})?$", text, text, small, text, MOST, text,
    )  # fmt: skip


def _integer(text: Sql) -> Sql:
    return sql("CASE WHEN {} ~ {} THEN {}::numeric::bigint END", text, r"^[+-]?\d{1,15}(\.0{1,12})?$", text)


def _yes_no(text: Sql) -> Sql:
    return sql("CASE WHEN {} = ANY({}) THEN true WHEN {} = ANY({}) THEN false END", text, YES, text, NO)


def _currency(text: Sql) -> Sql:
    return sql("CASE WHEN {} ~ '^[a-z]{{3}}$' THEN upper({}) END", text, text)


TEXT = Type("text", "text", _("is too long"), _as_it_is, _as_it_is)
SLUG = Type("slug", "text", _("is too long"), _as_it_is, _as_it_is)
EMAIL_ADDRESS = Type("email", "text", _("is no email address"), _lower, _email)
# The same while rows are staged: whether it is an address is asked when nobody is found who has it already.
UNCHECKED_EMAIL = Type("email", "text", EMAIL_ADDRESS.wrong, _lower, _as_it_is)
SITE = Type("domain", "text", _("is no domain"), _site, _domain)
NUMBER = Type("number", "numeric", _("is no number, or too large a one"), _written_number, _number)
INTEGER = Type("integer", "bigint", _("is no whole number, or too large a one"), _written_number, _integer)
MONEY = Type("money", "numeric", _("is no amount of money, or too large a one"), _written_number, _number)
CURRENCY = Type("currency", "text", _("is no currency code of three letters"), _lower, _currency)
YES_NO = Type("yes_no", "boolean", _("is neither yes nor no"), _lower, _yes_no)
INSTANT = Type("instant", "timestamptz", _("is no date or time"), _written_date("mdy"), _instant)
OBJECT = Type(
    "object",
    "jsonb",
    _('is no object of JSON, such as {"color": "red"}'),
    _as_it_is,
    lambda text: sql("json_object_or_null({})", text),
)
DATE = Type("date", "date", _("is no date"), _written_date("mdy"), _date)

SKIPPED = _("is a time that does not exist: the clocks went forward over it")


PARTS = {"cents": 100, "micros": 1_000_000}


def dated(of_type: Type, order: str, zone: str = "") -> Type:
    """The type of dates, for a column that writes them in this order ("dmy" or "mdy"), its local times in this zone."""
    read = _instant_in(zone) if zone and of_type.name == "instant" else of_type.read
    return replace(of_type, clean=_written_date(order), read=read)


def separated(of_type: Type, decimal: str) -> Type:
    """The type of numbers or money, for a column that writes fractions behind a "comma" or a "point", or that counts in
    "cents" (hundredths) or "micros" (millionths).
    """
    if decimal not in PARTS:
        return replace(of_type, clean=_separated_number(decimal))
    parts = Sql(f"::numeric / {PARTS[decimal]}")
    return replace(of_type, read=lambda text: sql("({}){}", of_type.read(text), parts))


def translated(cell: Sql, words: Mapping[str, str]) -> Sql:
    """The cell, or what it was told to become: another text, or nothing."""
    told = sql("{}::jsonb", json.dumps(words))
    return sql("CASE WHEN {} ? {} THEN nullif({} ->> {}, '') ELSE {} END", told, cell, told, cell, cell)


# ISO 4217: currencies whose minor unit is not a hundredth.
WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND".split()


def minor(amount: Sql, currency: Sql) -> Sql:
    """An amount in minor units of its currency, rounded half away from zero."""
    factor = sql(
        "CASE WHEN {} = ANY({}) THEN 1 WHEN {} = ANY({}) THEN 1000 ELSE 100 END", currency, WHOLE, currency, THOUSANDTHS
    )
    return sql("round({} * {})::bigint", amount, factor)
