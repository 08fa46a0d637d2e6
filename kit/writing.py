"""How figures, shares and spans of time are written for people, in the language of the reader."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

NOTHING = "–"
FIRST_YEAR, LAST_YEAR = 1000, 9000  # of dates that may be written down; beyond them some zone leaves the calendar
MINUTE, HOUR, DAY = 60, 3600, 86400


def number(value: float | Decimal | None, places: int = 0) -> str:
    """A number with its thousands told apart: 1,234,567. None is a dash."""
    if value is None:
        return NOTHING
    return number_format(_rounded(value, places), decimal_pos=places, use_l10n=True, force_grouping=True)


def percent(share: float | Decimal | None, places: int = 1) -> str:
    """A share between 0 and 1 as per cent: 0.10525 is “10.5 %”. None, a share of nothing, is a dash."""
    if share is None:
        return NOTHING
    # Translators: a percentage, such as 10.5%
    rounded = _rounded(Decimal(str(share)) * 100, places)
    return _("%(number)s%%") % {"number": number_format(rounded, decimal_pos=places, use_l10n=True)}


def _rounded(value: float | Decimal, places: int) -> Decimal:
    """Half upwards, as people round; Django's number_format cuts off instead."""
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def span(length: timedelta | float | None) -> str:
    """A span of time (a timedelta or seconds) in its largest units: “4 min 10 s”, “3 days”. None is a dash."""
    if length is None:
        return NOTHING
    seconds = round(length.total_seconds() if isinstance(length, timedelta) else length)
    if seconds < MINUTE:
        return _("%(seconds)s s") % {"seconds": seconds}
    if seconds < HOUR:
        minutes, rest = divmod(seconds, MINUTE)
        if minutes >= 10 or not rest:
            return _("%(minutes)s min") % {"minutes": minutes}
        return _("%(minutes)s min %(seconds)s s") % {"minutes": minutes, "seconds": rest}
    if seconds < DAY:
        return _("%(hours)s h %(minutes)s min") % {"hours": seconds // HOUR, "minutes": seconds % HOUR // MINUTE}
    days = seconds // DAY
    return ngettext("%(days)s day", "%(days)s days", days) % {"days": number(days)}


def day(value: date | None) -> str:
    """A day: “Nov 22, 2026”. None is a dash."""
    # Translators: how a day is written, in Django's date format letters; in Chinese Y年n月j日
    return NOTHING if value is None else date_format(value, pgettext("format of a day", "M j, Y"))


def instant(value: datetime | None) -> str:
    """An instant to the minute in the reader's zone: “Nov 22, 2026 14:05”. None is a dash."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value)
    return f"{day(local)} {local:%H:%M}"


def instant_and_zone(value: datetime) -> str:
    """The same with its zone, for what is read away from the product: “Nov 22, 2026 14:05 CET”."""
    zone = f"{timezone.localtime(value):%Z}"
    return f"{instant(value)} {f'UTC{zone}' if zone.startswith(('+', '-')) else zone}"
