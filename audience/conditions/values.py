"""Reading the values of a condition: each function takes what JSON gave and returns what is bound, or refuses."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

LONGEST_TEXT = 1000
LONGEST_LIST = 1000
LARGEST_NUMBER = 10**15
MOST_DAYS = 36_500

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})")


class Unusable(ValueError):
    """A value that a condition cannot use: a code for programs and a message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def shown(data: Any) -> str:
    """What was given, short enough for a message."""
    if isinstance(data, str):
        text = data.encode("utf-8", "replace").decode().replace("\0", "�")
        return f"“{text}”" if len(text) <= 60 else f"“{text[:59]}…”"
    if data is None:
        return _("nothing")
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, int):
        return str(data) if abs(data) < 10**30 else _("a very large number")
    if isinstance(data, list | tuple):
        return _("a list")
    if isinstance(data, Mapping):
        return _("an object")
    return repr(data)[:60]


def clean(data: str) -> str:
    """Text that PostgreSQL can hold and people can read back. Raises Unusable."""
    if "\0" in data:
        raise Unusable("bad_text", _("the text holds a NUL character; remove it"))
    try:
        data.encode()
    except UnicodeEncodeError as error:
        raise Unusable("bad_text", _("the text holds half a character (a lone surrogate); write it anew")) from error
    if len(data) > LONGEST_TEXT:
        raise Unusable("too_long", _("the text is longer than %(most)s characters") % {"most": LONGEST_TEXT})
    return data


def text(data: Any) -> str:
    """A text that is not empty."""
    if not isinstance(data, str):
        raise Unusable("wrong_type", _("needs text, not %(given)s") % {"given": shown(data)})
    if not data.strip():
        raise Unusable("no_value", _("needs some text; to ask for a missing value use the operator “empty”"))
    return clean(data)


def texts(data: Any) -> tuple[str, ...]:
    """A list of texts, at least one."""
    if not isinstance(data, list | tuple):
        raise Unusable("wrong_type", _("needs a list of texts, not %(given)s") % {"given": shown(data)})
    if not data:
        raise Unusable("no_value", _("needs at least one value in the list"))
    if len(data) > LONGEST_LIST:
        raise Unusable("too_long", _("the list has more than %(most)s values") % {"most": LONGEST_LIST})
    return tuple(dict.fromkeys(text(each) for each in data))


def number(data: Any) -> Decimal:
    """A finite number of ordinary size."""
    if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
        raise Unusable("wrong_type", _("needs a number, not %(given)s") % {"given": shown(data)})
    if isinstance(data, float | Decimal) and not math.isfinite(data):
        raise Unusable("bad_number", _("needs a finite number, not %(given)s") % {"given": shown(data)})
    if not -LARGEST_NUMBER <= data <= LARGEST_NUMBER:
        raise Unusable("bad_number", _("the number is beyond %(most)s") % {"most": f"{LARGEST_NUMBER:,}"})
    return Decimal(str(data))


def money(data: Any) -> Decimal:
    """An amount in minor units (cents)."""
    amount = number(data)
    if amount != int(amount):
        raise Unusable("bad_number", _("an amount is a whole number of the smallest unit (cents): 1250 means 12.50"))
    return amount


def two(read: Any) -> Any:
    """A reader of two values, the first not above the second."""

    def pair(data: Any) -> tuple[Any, Any]:
        if not isinstance(data, list | tuple) or len(data) != 2:
            raise Unusable("wrong_type", _("needs two values, from and to, not %(given)s") % {"given": shown(data)})
        low, high = read(data[0]), read(data[1])
        if low > high:
            raise Unusable("bad_range", _("the first value is above the second; turn them round"))
        return low, high

    return pair


def days(data: Any) -> int:
    """A whole number of days, from 0 to a hundred years."""
    if isinstance(data, bool) or not isinstance(data, int):
        raise Unusable("wrong_type", _("needs a whole number of days, not %(given)s") % {"given": shown(data)})
    if not 0 <= data <= MOST_DAYS:
        raise Unusable("bad_number", _("the days must lie between 0 and %(most)s") % {"most": MOST_DAYS})
    return data


def day(data: Any) -> date:
    """A calendar day written as 2025-03-31."""
    if not isinstance(data, str) or not DAY.fullmatch(data):
        raise Unusable("bad_date", _("needs a day written as 2025-03-31, not %(given)s") % {"given": shown(data)})
    try:
        found = date.fromisoformat(data)
    except ValueError as error:
        raise Unusable("bad_date", _("there is no day %(given)s in the calendar") % {"given": shown(data)}) from error
    return _ordinary(found, data)


def instant(data: Any) -> date | datetime:
    """A calendar day (its local beginning is meant), or an instant with its offset from UTC."""
    if not isinstance(data, str) or not INSTANT.fullmatch(data):
        if isinstance(data, str) and "T" in data:
            message = _("needs an instant with its offset, written as 2025-03-31T10:00:00+02:00, not %(given)s")
            raise Unusable("bad_date", message % {"given": shown(data)})
        return day(data)
    try:
        found = datetime.fromisoformat(data)
    except ValueError as error:
        raise Unusable("bad_date", _("there is no instant %(given)s") % {"given": shown(data)}) from error
    _ordinary(found, data)
    return found.astimezone(UTC)


def yes_no(data: Any) -> bool:
    """True or false."""
    if not isinstance(data, bool):
        raise Unusable("wrong_type", _("needs true or false, not %(given)s") % {"given": shown(data)})
    return data


def nothing(data: Any) -> None:
    """No value at all."""
    if data is not None:
        raise Unusable("wrong_type", _("takes no value, but %(given)s is given") % {"given": shown(data)})


def _ordinary(found: Any, data: str) -> Any:
    if not 1000 <= found.year <= 9000:
        raise Unusable("bad_date", _("the year of %(given)s is not between 1000 and 9000") % {"given": shown(data)})
    return found
