"""How a column writes dates, numbers and times, as far as its values tell; where they do not, people are asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.importing.refusals import Refused
from kit import zones

ORDERS = ("dmy", "mdy")
DECIMALS = ("comma", "point", "cents", "micros")
MOST_WORDS, LONGEST_WORD = 1000, 1000  # values of one column that are told to become others, and letters of each
SHORT_DATE = re.compile(r"\s*(\d{1,2})([/.-])(\d{1,2})\2(?:\d{4}|\d{2})(?!\d)")
LOCAL_TIME = re.compile(r"\d[T ]+\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp]\.?[Mm]\.?)?\s*$")
SIGNS = re.compile(r"[\s\u00a0\u202f'’$€£¥₹%()+-]|[A-Za-z]{3}")
# Of numbers without the signs of money: what only a comma, only a point, or either can have written.
COMMA = re.compile(r"\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,(\d{1,2}|\d{4,})|0,\d+")
POINT = re.compile(r"\d{1,3}(,\d{2,3})+\.\d+|\d{1,3}(,\d{3}){2,}|\d+\.(\d{1,2}|\d{4,})|0\.\d+")
EITHER = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
MONEY_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR"}  # of $ and ¥ there are several

DOUBTFUL_DATE = gettext_lazy("“%(column)s”: is “%(example)s” day or month first? Nothing in the first rows tells.")
DOUBTFUL_NUMBER = gettext_lazy(
    "“%(column)s”: is “%(example)s” a thousand or a fraction? Nothing in the first rows tells."
)


def order(cells: Sequence[str]) -> str:
    """Whether dates with the year last begin with the day or the month: "dmy", "mdy"; "" where none goes beyond 12."""
    found = [part for cell in cells if (part := SHORT_DATE.match(cell))]
    if any(int(part[1]) > 12 for part in found):
        return "dmy"
    return "mdy" if any(int(part[3]) > 12 for part in found) else ""


def likely_order(cells: Sequence[str]) -> str:
    """The same where nothing tells: dots mean the day first, and "" that there is no such date at all."""
    first = next((part for cell in cells if (part := SHORT_DATE.match(cell))), None)
    return "" if first is None else "dmy" if first[2] == "." else "mdy"


def decimal(cells: Sequence[str]) -> str:
    """Behind what a column's numbers write their fractions: "comma", "point"; "" where nothing or both tell."""
    bare = [SIGNS.sub("", cell) for cell in cells]
    commas, points = any(map(COMMA.fullmatch, bare)), any(map(POINT.fullmatch, bare))
    return "" if commas == points else "comma" if commas else "point"


def is_open(option: str, cells: Sequence[str]) -> bool:
    """Whether nothing tells how a column writes its "dates" or "numbers", though it has some."""
    if option == "dates":
        return bool(short_date(cells)) and not order(cells)
    return bool(open_number(cells)) and not decimal(cells)


def doubt(column: str, cells: Sequence[str], of_type: str) -> str:
    """What is to be asked of a column of this type, in words; "" for nothing."""
    if of_type in ("instant", "date") and is_open("dates", cells):
        return DOUBTFUL_DATE % {"column": column, "example": short_date(cells)[:40]}
    if of_type in ("number", "integer", "money") and is_open("numbers", cells):
        return DOUBTFUL_NUMBER % {"column": column, "example": open_number(cells)[:40]}
    return ""


def short_date(cells: Sequence[str]) -> str:
    """The first date with the year last; "" when there is none."""
    return next((cell for cell in cells if SHORT_DATE.match(cell)), "")


def open_number(cells: Sequence[str]) -> str:
    """The first number of which nobody can tell whether it has thousands or a fraction; "" when there is none."""
    return next((cell for cell in cells if EITHER.fullmatch(SIGNS.sub("", cell))), "")


def has_local_times(cells: Sequence[str]) -> bool:
    """Whether the column has times of day of which it is not said in which zone they are."""
    return any(LOCAL_TIME.search(cell) for cell in cells)


def currency(cells: Sequence[str]) -> str:
    """The currency whose sign stands in all of a column's amounts; "" when there is none, or several have it."""
    said = [cell for cell in cells if any(letter.isdigit() for letter in cell)]
    return next((code for sign, code in MONEY_SIGNS.items() if said and all(sign in cell for cell in said)), "")


def check(options: Mapping[str, Any], header: Sequence[str]) -> None:
    """Refuse formats and values that are told of columns that are not there, or that are none. Raises Refused."""
    for name, known in (("dates", ORDERS), ("numbers", DECIMALS)):
        for column, told in _by_column(options, name, header):
            if told not in known:
                raise _wrong(name, column, told)
    for column, told in _by_column(options, "zones", header):
        if not isinstance(told, str) or zones.known(told) is None:
            raise _wrong("zones", column, told)
    for column, words in _by_column(options, "values", header):
        if not isinstance(words, dict) or len(words) > MOST_WORDS or not all(
            _is_word(said) and _is_word(ours) for said, ours in words.items()
        ):  # fmt: skip
            raise _wrong("values", column, words)


def _by_column(options: Mapping[str, Any], name: str, header: Sequence[str]) -> list[tuple[str, Any]]:
    told = options.get(name) or {}
    if not isinstance(told, dict):
        raise Refused("bad_options", _("“%(option)s” is told column by column.") % {"option": name})
    for column in told:
        if column not in header:
            reason = _("“%(option)s” speaks of a column “%(column)s”, which the file does not have.")
            raise Refused("unknown_column", reason % {"option": name, "column": column[:100]})
    return list(told.items())


def _is_word(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= LONGEST_WORD and "\x00" not in text


def _wrong(option: str, column: str, told: Any) -> Refused:
    reason = _("Of the column “%(column)s”, “%(told)s” cannot be told as “%(option)s”.")
    return Refused("bad_options", reason % {"column": column, "told": str(told)[:100], "option": option})
