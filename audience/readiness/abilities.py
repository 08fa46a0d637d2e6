"""What the data supports today: each ability with what it needs, what was found, and the next step to what is missing.

Each floor registers what its own things need, in `AppConfig.ready`; thresholds are said with the need. An ability is
ready when all its needs are met, not possible yet when one of them has nothing at all, and otherwise partly there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.readiness import measures
from audience.readiness.completeness import Shares
from kit import writing
from kit.sql import Sql, rows, sql
from kit.statistics import Share

Text = str | Promise
LEAST = 0.6  # of those to whom a field applies, unless an ability says otherwise


class State(models.TextChoices):
    """How far an ability is."""

    READY = "ready", gettext_lazy("Ready")
    PARTLY = "partly", gettext_lazy("Partly")
    MISSING = "missing", gettext_lazy("Not yet")


@dataclass(frozen=True)
class Way:
    """The next step: what it is called, and where it is taken."""

    label: Text
    url_name: str
    args: tuple[Any, ...] = ()

    @property
    def url(self) -> str:
        return reverse(self.url_name, args=self.args)


@dataclass(frozen=True)
class Asked:
    """What needs are held against: the instant, and how complete each field is now."""

    now: datetime
    shares: Shares


@dataclass(frozen=True)
class Found:
    """What was found of a need, in words; of how many there is `any` at all."""

    text: str
    met: bool
    any: bool


@dataclass(frozen=True)
class Need:
    """One thing that an ability needs, its threshold in its words, and the way to it."""

    words: Text
    find: Callable[[Asked], Found]
    way: Way


@dataclass(frozen=True)
class Ability:
    """One thing that can be done with data: what it needs, asked when told, and the way to where it is done."""

    slug: str
    label: Text
    purpose: Text
    needs: Callable[[], Sequence[Need]]
    way: Way
    order: int = 100


@dataclass(frozen=True)
class Told:
    """One ability as it stands."""

    ability: Ability
    needs: list[tuple[Need, Found]] = field(default_factory=list)

    @property
    def state(self) -> State:
        if all(found.met for _need, found in self.needs):
            return State.READY
        return State.PARTLY if all(found.any for _need, found in self.needs) else State.MISSING

    @property
    def missing(self) -> list[tuple[Need, Found]]:
        """The needs that are not met."""
        return [(need, found) for need, found in self.needs if not found.met]


_abilities: dict[str, Ability] = {}


def register(ability: Ability) -> None:
    """Add an ability; call it in `AppConfig.ready`. The same slug again replaces the first."""
    _abilities[ability.slug] = ability


def all_of(asked: Asked) -> list[Told]:
    """Every ability as it stands: what is ready first, then what is nearly."""
    order = [State.READY, State.PARTLY, State.MISSING]
    told = [
        Told(each, [(need, need.find(asked)) for need in each.needs()])
        for each in sorted(_abilities.values(), key=lambda each: each.order)
    ]
    return sorted(told, key=lambda each: order.index(each.state))


# ---- what needs are made of ----


def known(name: str, least: float = LEAST) -> Need | None:
    """A field is known of at least this share of those to whom it applies; None where there is no such field."""
    measure = measures.find(name)
    if measure is None:
        return None

    def find(asked: Asked) -> Found:
        return told(asked.shares.get(name) or Share(0, 0), least)

    words = _("“%(field)s” known of %(least)s of %(whom)s")
    said = {"field": measure.label, "least": writing.percent(least, 0), "whom": measure.applies.words}
    return Need(words % said, find, Way(_("Who lacks it"), "readiness_field", (name,)))


def all_known(*names: str, least: float = LEAST) -> list[Need]:
    """The same for several."""
    return [need for name in names if (need := known(name, least))]


def number(words: Text, rows_there: Callable[[datetime], Sql], least: int, way: Way) -> Need:
    """There are at least so many rows. `words` has a %(least)s; more than enough are not counted."""

    def find(asked: Asked) -> Found:
        some = sql("SELECT count(*) FROM ({} LIMIT {}) there", rows_there(asked.now), least)
        [(count,)] = rows(some)
        text = _("%(n)s or more") if count >= least else _("%(n)s")
        return Found(text % {"n": writing.number(count)}, count >= least, count > 0)

    return Need(str(words) % {"least": writing.number(least)}, find, way)


def share(words: Text, counted: Callable[[datetime], Sql], least: float, way: Way) -> Need:
    """At least this share; `counted` selects hits and their base. `words` has a %(least)s."""

    def find(asked: Asked) -> Found:
        [(hits, of)] = rows(counted(asked.now))
        return told(Share(hits, of), least)

    return Need(str(words) % {"least": writing.percent(least, 0)}, find, way)


def told(share: Share, least: float) -> Found:
    """A share held against the least that it should be."""
    if share.rate is None:
        return Found(_("nobody yet"), met=False, any=False)
    said = _("%(percent)s, %(n)s of %(all)s") % {
        "percent": writing.percent(share.rate), "n": writing.number(share.hits), "all": writing.number(share.of),
    }  # fmt: skip
    return Found(said, share.rate >= least, share.hits > 0)
