"""Moves over a guard counted: by who made them, by their team, and by the guard; and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.utils.translation import gettext as _

from kit.audit import actor_of
from kit.models import Team, User
from lifecycle.ledger import overrides
from lifecycle.models import Stage, Version

SYSTEM = actor_of(None)


def won_since() -> Q:
    """That the pass has come to the end of the success path by a later move."""
    return Q(
        membership__stage__kind=Stage.Kind.TERMINAL,
        membership__stage__path=Stage.Path.SUCCESS,
        membership__seq__gt=F("seq"),
    )


@dataclass(frozen=True)
class Cell:
    """So many moves of one actor the same way with the same result, and of how many of them the pass was won since."""

    actor: str
    user: User | None
    way: overrides.Way
    guard: str
    result: str
    moves: int
    won: int


@dataclass
class Tally:
    """Moves of one user, of one team or over one guard. `won`: the pass was won since, whatever came right after.

    `label` is who or what; `guards` and `actors` say over which guards, and by whom.
    """

    label: str
    actor: str = ""
    user: User | None = None
    team: Team | None = None
    guard: str = ""
    moves: int = 0
    won: int = 0
    results: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    actors: Counter[str] = field(default_factory=Counter)
    ways: set[overrides.Way] = field(default_factory=set)

    def add(self, cell: Cell) -> None:
        self.moves += cell.moves
        self.won += cell.won
        self.results[cell.result] += cell.moves
        self.guards[cell.guard] += cell.moves
        self.actors[_called(cell)] += cell.moves
        self.ways.add(cell.way)


def cells(rows: QuerySet[Any]) -> list[Cell]:
    """The moves (of `overrides.made`) counted by actor, way and result; whatever their number, in four queries."""
    counted = rows.order_by().values_list("actor", "version", "from_stage", "to_stage", "result")
    found = list(counted.annotate(moves=Count("pk"), won=Count("pk", filter=won_since())))
    emails = {overrides.person_of(actor) for actor, *_rest in found}
    users = {user.email: user for user in User.objects.filter(email__in=emails).select_related("team")}
    ways = {(version, source, target) for _actor, version, source, target, *_rest in found}
    words = overrides.guards_of(
        ways, Version.objects.select_related("lifecycle").in_bulk({version for version, *_rest in ways})
    )
    return [
        Cell(email, users.get(email), way, words[way], result, moves, won)
        for actor, version, source, target, result, moves, won in found
        for email, way in [(overrides.person_of(actor), (version, source, target))]
    ]


def by_user(counted: Iterable[Cell]) -> list[Tally]:
    """The most moves first; whoever moved by a key of theirs moved them."""
    return _added(counted, lambda cell: cell.actor, lambda cell: Tally(_called(cell), actor=cell.actor, user=cell.user))


def by_team(counted: Iterable[Cell]) -> list[Tally]:
    """By the team that each is in now."""
    return _added(counted, _team_of, lambda cell: _of_team(cell.user.team if cell.user else None))


def by_guard(counted: Iterable[Cell]) -> list[Tally]:
    """By what did not hold, in words."""
    return _added(counted, lambda cell: cell.guard, lambda cell: Tally(cell.guard, guard=cell.guard))


def _added(counted: Iterable[Cell], key: Callable[[Cell], Any], begin: Callable[[Cell], Tally]) -> list[Tally]:
    found: dict[Any, Tally] = {}
    for cell in counted:
        found.setdefault(key(cell), begin(cell)).add(cell)
    return sorted(found.values(), key=lambda tally: (-tally.moves, tally.label))


def _called(cell: Cell) -> str:
    if cell.actor == SYSTEM:
        return _("the system")
    return str(cell.user) if cell.user else cell.actor


def _team_of(cell: Cell) -> int | None:
    return cell.user.team_id if cell.user else None


def _of_team(team: Team | None) -> Tally:
    return Tally(team.name if team else _("in no team"), team=team)


def top(counter: Counter[str], most: int) -> Iterator[tuple[str, int]]:
    """The most frequent ones, of equals the first by name."""
    yield from sorted(counter.items(), key=lambda each: (-each[1], each[0]))[:most]
