"""Instants as other systems write them: of an ordinary year, in UTC; a local time only if the clocks ever showed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from kit import writing


class NoInstant(ValueError):
    """What cannot be taken for an instant: `code` for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read(text: str, zone: ZoneInfo) -> datetime:
    """The instant of an ISO 8601 text. Raises NoInstant."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise NoInstant("bad_instant", _("“%(text)s” is no instant of ISO 8601.") % {"text": text[:40]}) from None
    return settled(value, zone)


def settled(value: datetime, zone: ZoneInfo) -> datetime:
    """The instant in UTC; without an offset it is a local time of `zone`. Raises NoInstant."""
    if not writing.FIRST_YEAR <= value.year <= writing.LAST_YEAR:
        # Those at the ends of the calendar cannot be read back in every zone.
        years = {"first": writing.FIRST_YEAR, "last": writing.LAST_YEAR}
        raise NoInstant("out_of_range", _("An instant lies between the years %(first)s and %(last)s.") % years)
    if value.tzinfo is not None:
        return value.astimezone(UTC)
    instant = value.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != value:
        said = _("The clocks jump over this local time. The next that there is: %(valid)s.")
        raise NoInstant("time_does_not_exist", said % {"valid": after_gap(value, zone).isoformat()})
    return instant


def after_gap(local: datetime, zone: ZoneInfo) -> datetime:
    """The first local time that there is after a gap in which `local` lies, to the second."""
    before = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (before, middle) if middle.astimezone(zone).utcoffset() == offset else (middle, after)
    return after.replace(microsecond=0).astimezone(zone)
