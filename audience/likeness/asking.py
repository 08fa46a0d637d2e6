"""What is asked about best customers: of accounts or people, who is best by what, as of which day, among whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.db import models
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience import live
from audience.likeness import customers
from audience.models import Segment
from kit import installation
from kit.writing import FIRST_YEAR, LAST_YEAR

TOPS = (5, 10, 20, 50, 100)
USUAL_TOP = 20  # per cent of the customers
MOSTS = (50, 100, 500, 1000, 5000)
USUAL_MOST = 100
PARAMETERS = ("of", "basis", "top", "as_of", "among", "most")


class Of(models.TextChoices):
    """Who is compared."""

    ACCOUNTS = "account", gettext_lazy("Accounts")
    PEOPLE = "person", gettext_lazy("People")


@dataclass(frozen=True)
class Question:
    """Who is best (`basis`: by which money, or a segment's slug with `segment`), and the instant `at` it is asked of.

    `day`: the local day whose beginning that is, None for now. `among`: a segment to which look-alikes are kept.
    """

    of: str
    basis: str
    at: datetime
    top: int = USUAL_TOP
    segment: Segment | None = None
    day: date | None = None
    among: Segment | None = None
    most: int = USUAL_MOST

    def about(self, **changes: object) -> Question:
        """The same question about something else."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def address(self, name: str, **more: str) -> str:
        """The address of a page that asks this question."""
        given = {
            "of": self.of,
            "basis": f"segment:{self.segment.slug}" if self.segment else self.basis,
            "top": str(self.top) if self.top != USUAL_TOP else "",
            "as_of": self.day.isoformat() if self.day else "",
            "among": self.among.slug if self.among else "",
            "most": str(self.most) if self.most != USUAL_MOST else "",
            **more,
        }
        return f"{reverse(name)}?{urlencode({key: value for key, value in given.items() if value})}"


@dataclass(frozen=True)
class Asked:
    """The question of an address, and notes on what of it was not understood."""

    question: Question
    notes: tuple[str, ...] = ()


def read(given: Mapping[str, str], now: datetime) -> Asked:
    """The question of an address. Never fails: what is not understood is noted, and left out."""
    texts = {name: given.get(name, "").replace("\x00", "").strip() for name in PARAMETERS}
    notes: list[str] = []

    def choose(name: str, known: list[str], usual: str) -> str:
        if texts[name] and texts[name] not in known:
            words = _("“%(text)s” is not understood here; there are: %(known)s.")
            notes.append(words % {"text": texts[name][:60], "known": ", ".join(known[:20])})
        return texts[name] if texts[name] in known else usual

    day = _day(texts["as_of"], now, notes)
    at = installation.midnight(day, installation.zone()) if day else now + live.INSTANT
    of = choose("of", Of.values, "") or customers.usual_of(at)
    lists = {each.slug: each for each in Segment.objects.filter(of=of).order_by("name")}
    basis = choose("basis", [*customers.Basis.values, *(f"segment:{slug}" for slug in lists)], "")
    segment = lists.get(basis.partition(":")[2]) if basis.startswith("segment:") else None
    question = Question(
        of=of,
        basis="" if segment else basis or customers.usual_basis(of, at),
        at=at,
        top=int(choose("top", [str(top) for top in TOPS], str(USUAL_TOP))),
        segment=segment,
        day=day,
        among=lists.get(choose("among", list(lists), "")),
        most=int(choose("most", [str(most) for most in MOSTS], str(USUAL_MOST))),
    )
    return Asked(question, tuple(notes))


def _day(text: str, now: datetime, notes: list[str]) -> date | None:
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        notes.append(_("“%(text)s” is no day; write it as 2025-03-31.") % {"text": text[:60]})
        return None
    if found > (now + timedelta(days=1)).date():
        notes.append(_("That day has not come yet; this is how it stands now."))
        return None
    return found
