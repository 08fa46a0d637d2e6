"""The days that a report is asked about: `[start, end)`, whole local days of the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kit import writing

EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
OWN = "own"  # what a form calls days that are no preset


class Preset(models.TextChoices):
    """Windows that a page offers by name."""

    ALL = "all", gettext_lazy("All time")
    LAST_30 = "last_30_days", gettext_lazy("Last 30 days")
    LAST_90 = "last_90_days", gettext_lazy("Last 90 days")
    LAST_365 = "last_365_days", gettext_lazy("Last 365 days")
    THIS_MONTH = "this_month", gettext_lazy("This month")
    LAST_MONTH = "last_month", gettext_lazy("Last month")
    THIS_QUARTER = "this_quarter", gettext_lazy("This quarter")
    LAST_QUARTER = "last_quarter", gettext_lazy("Last quarter")
    THIS_YEAR = "this_year", gettext_lazy("This year")
    LAST_YEAR = "last_year", gettext_lazy("Last year")


class Compared(models.TextChoices):
    """What a span is compared with; always as many days, as others could not be compared."""

    PREVIOUS = "previous", gettext_lazy("the days right before, as many")
    YEAR = "year", gettext_lazy("as many days a year before")


@dataclass(frozen=True)
class Window:
    """From the beginning of one local day to the beginning of another: the last day counted is the one before `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("a window ends after it starts")

    def __str__(self) -> str:
        if self.days == 1:
            return writing.day(self.start)
        return _("%(start)s – %(last)s") % {"start": writing.day(self.start), "last": writing.day(self.last)}

    @property
    def last(self) -> date:
        """The last day counted."""
        return self.end - timedelta(days=1)

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def before(self, other: str) -> Window:
        """The span of the same length right before this one, or, of "year", as many days of the year before."""
        start = self.start - timedelta(days=self.days)
        if other == Compared.YEAR:
            start = _year_before(self.start)
        return Window(start, start + timedelta(days=self.days))


def preset(name: str, *, first: date, today: date) -> Window:
    """The window of a name; today is always in the running ones. `first` is the day on which all time begins."""
    tomorrow = today + timedelta(days=1)
    month, quarter, year = today.replace(day=1), _quarter(today), today.replace(month=1, day=1)
    before_month, before_quarter = (month - timedelta(days=1)).replace(day=1), _quarter(quarter - timedelta(days=1))
    starts = {
        Preset.ALL: (min(first, today), tomorrow),
        Preset.LAST_30: (tomorrow - timedelta(days=30), tomorrow),
        Preset.LAST_90: (tomorrow - timedelta(days=90), tomorrow),
        Preset.LAST_365: (tomorrow - timedelta(days=365), tomorrow),
        Preset.THIS_MONTH: (month, tomorrow),
        Preset.LAST_MONTH: (before_month, month),
        Preset.THIS_QUARTER: (quarter, tomorrow),
        Preset.LAST_QUARTER: (before_quarter, quarter),
        Preset.THIS_YEAR: (year, tomorrow),
        Preset.LAST_YEAR: (year.replace(year=year.year - 1), year),
    }
    return Window(*starts[Preset(name)])


@dataclass(frozen=True)
class Wish:
    """The window an address asks for, the preset it is (empty for dates of one's own), and what was not understood."""

    window: Window
    preset: str
    notes: tuple[str, ...] = ()


def wish(asked: Mapping[str, str], *, first: date, today: date) -> Wish:
    """Read `window` (a preset) or `from` and `to` (the day behind the last one counted).

    A form sends all three, and as `was` the preset it showed: the part that was changed counts. Never fails; the notes
    say what was not understood and left out.
    """
    notes: list[str] = []
    name, was = asked.get("window", ""), asked.get("was", "")
    if name and name not in Preset.values and name != OWN:
        notes.append(_("There is no time span called “%(name)s”; this is all time.") % {"name": name[:40]})
    chosen = name if name in Preset.values else ""
    own = [_day(asked.get(end, ""), notes) for end in ("from", "to")]
    if own == [None, None] or (chosen and was and chosen != was):
        usual = chosen or Preset.ALL.value
        return Wish(preset(usual, first=first, today=today), usual, tuple(notes))
    window = _own_days(own[0], own[1], preset(Preset.ALL, first=first, today=today), notes)
    same = chosen if chosen and preset(chosen, first=first, today=today) == window else ""
    return Wish(window, same, tuple(notes))


def _own_days(start: date | None, end: date | None, everything: Window, notes: list[str]) -> Window:
    start = start or min(everything.start, (end or everything.end) - timedelta(days=1))
    end = end or max(everything.end, start + timedelta(days=1))
    if end < start:
        notes.append(_("The time span ended before it began; the two days were swapped."))
        start, end = end, start
    if end == start:
        notes.append(_("The last day is not counted, so the time span held no day; this is the day itself."))
        end = start + timedelta(days=1)
    return Window(start, end)


def day(text: str) -> date:
    """A day as an address writes it. Raises ValueError, in the user's words, for what is none or too far away."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(_("“%(text)s” is no day; write it as 2025-01-31.") % {"text": text[:40]}) from None
    if EARLIEST <= found <= LATEST:
        return found
    span = {"day": text[:40], "first": EARLIEST.isoformat(), "last": LATEST.isoformat()}
    raise ValueError(_("“%(day)s” was left out: days go from %(first)s to %(last)s.") % span)


def _day(text: str, notes: list[str]) -> date | None:
    if not text.strip():
        return None
    try:
        return day(text)
    except ValueError as wrong:
        notes.append(str(wrong))
        return None


def _year_before(day: date) -> date:
    """The same day of the year before; of a leap day the last of February."""
    last = day.day == 29 and day.month == 2
    return day.replace(year=day.year - 1, day=28) if last else day.replace(year=day.year - 1)


def _quarter(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
