"""A past day that a page is asked about, on both clocks: what had happened by then, as it is known now or was then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from kit import installation, writing

DAY, CLOCK = "as_of", "as_known"  # what an address says
PARAMETERS = (DAY, CLOCK)
PLACES = ("after", "before", "export")  # in a list, which is another one on another day
THEN = "then"  # of the clock; anything else is now
EARLIEST = date(1900, 1, 1)
USUAL = timedelta(days=730)  # how far the slider reaches back where a page does not say


@dataclass(frozen=True)
class Past:
    """The beginning of a local day: what happened before it counts; `then`: of that only what was written before it."""

    day: date
    then: bool = False

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone whose day it is."""
        return installation.zone()

    @cached_property
    def at(self) -> datetime:
        """The instant before which things must have happened."""
        return installation.midnight(self.day, self.zone)

    @property
    def known(self) -> datetime | None:
        """The instant before which they must have been recorded; None for whatever is known now."""
        return self.at if self.then else None

    @property
    def query(self) -> dict[str, str]:
        """How an address says it."""
        return {DAY: self.day.isoformat()} | ({CLOCK: THEN} if self.then else {})

    @property
    def address(self) -> str:
        """The same as it stands behind the question mark."""
        return urlencode(self.query)

    @property
    def words(self) -> str:
        """Which past this is, in one sentence."""
        told = _("You see how it was when %(day)s began, as it was known then: what was written later is not in it.")
        if not self.then:
            told = _("You see how it was when %(day)s began, by what is known now.")
        return told % {"day": writing.day(self.day)}


@dataclass(frozen=True)
class Wish:
    """What an address asks, what of it was not understood, and what the control that asks for a day needs to know.

    `first` and `today` are where its slider begins and ends, `now_url` the same page without a past day.
    """

    past: Past | None
    first: date
    today: date
    now_url: str = ""
    note: str = ""
    kept: Sequence[tuple[str, str]] = ()  # what else the address says, for the form

    @property
    def day(self) -> str:
        return self.past.day.isoformat() if self.past else ""

    @property
    def first_words(self) -> str:
        return writing.day(self.first)

    @property
    def day_words(self) -> str:
        return writing.day(self.past.day if self.past else None)

    @property
    def then(self) -> bool:
        return bool(self.past and self.past.then)

    @property
    def reach(self) -> int:
        """The slider's last step, which is now; the one before it is the beginning of today."""
        return max((self.today - self.first).days, 0) + 1

    @property
    def step(self) -> int:
        """Where the slider stands."""
        return min(max((self.past.day - self.first).days, 0), self.reach - 1) if self.past else self.reach


def wish(request: HttpRequest, now: datetime, first: date | None = None) -> Wish:
    """What a page's address asks. Never fails: a day that is none, or has not begun, is now, and a note says so."""
    today = timezone.localdate(now)  # of the reader: where the slider ends
    past, note = read(request.GET, now)
    query = request.GET.copy()
    for name in (*PARAMETERS, *PLACES):
        query.pop(name, None)
    now_url = f"{request.path}?{query.urlencode()}" if query else request.path
    kept = [(name, value) for name, values in query.lists() for value in values]
    return Wish(past, min(first or today - USUAL, today), today, now_url, note, kept)


def of(request: HttpRequest, now: datetime) -> Past | None:
    """The past day that a page is asked about, for what contributes to it."""
    return read(request.GET, now)[0]


def read(given: Mapping[str, str], now: datetime) -> tuple[Past | None, str]:
    """The past day of an address, and what to say when it names none that there was."""
    text = given.get(DAY, "").replace("\x00", "").strip()
    if not text:
        return None, ""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None, _("“%(text)s” is no day; write it as 2025-01-31.") % {"text": text[:40]}
    if day < EARLIEST:
        return None, _("“%(day)s” was left out: days begin with %(first)s.") % {
            "day": text[:40], "first": EARLIEST.isoformat(),
        }  # fmt: skip
    if day > now.astimezone(installation.zone()).date():
        return None, _("%(day)s has not begun yet: this is now.") % {"day": writing.day(day)}
    return Past(day, given.get(CLOCK) == THEN), ""
