"""What the apps tell one another without importing: holders, import kinds, panels, defaults, endings.

Each app registers in `AppConfig.ready`; registering never queries the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.db.models import QuerySet

MOVES, JOINED, ASIDE, STAYS = "moves", "joined", "aside", "stays"  # what a merge does with the rows of a table


@dataclass(frozen=True)
class Holder:
    """A table that holds a subject or personal text: what merge, undo, erase and export of a person do with it.

    `model` is the model class; `personal` names the columns that erasure empties; `label` heads the table in a
    person's export. `whose`, for a table without a subject of its own: a query of its keys (id, subject_id).
    `stays` is a condition on its rows (`held`): where it holds, what `personal` names is nobody's own, and stays.
    Of a table that `goes`, erasure deletes the rows. `emptying`, where many share a row: the statement that empties
    what is one subject's; `{}` is the number. `silent` says why a person's export leaves the table out.
    `follows`: which rows (alias h) come about by themselves wherever there is a subject, as SQL; whatever else is there
    keeps a subject when the import that made it is rolled back. `{}` stands for a table (tab, id) of what that wrote.
    `merge` is what becomes of the rows when their subject is merged into another. MOVES: they name the other one from
    then on, except those for which `same` holds: a condition on a row (theirs) and one of the other's (ours) that says
    it already; such a row is set aside until the two are parted. JOINED: they move once their floor has made room
    for them (`joining`). ASIDE: all are, because they are worked out anew.
    STAYS: they are of no account.
    """

    model: Any
    label: str
    personal: tuple[str, ...] = ()
    whose: str = ""
    stays: str = ""
    goes: bool = False
    emptying: str = ""
    silent: str = ""
    follows: str = "false"
    merge: str = MOVES
    same: str = ""


@dataclass(frozen=True)
class Panel:
    """A part of a page that an app contributes.

    `place` is "person", "account", "home", "urgent" (above it), "start", "search", "jobs" …
    `context(subject_or_None, request, now)` gives the template's variables, or None to show nothing.
    """

    place: str
    title: Any
    template: str
    context: Callable[..., dict[str, Any] | None]
    order: int = 100


@dataclass(frozen=True)
class Named:
    """A subject as other apps speak of it: what it is called and where its page is."""

    name: str
    url: str


Namer = Callable[[Collection[int], Any], dict[int, Named]]
Sight = Callable[[QuerySet[Any], Any, str], QuerySet[Any]]


class Ending(Protocol):
    """Ends what is under way with a subject that is being erased, in the transaction of that."""

    def __call__(self, subject_id: int, *, by: Any, now: datetime) -> object: ...


class Joining(Protocol):
    """What a floor does, in the transaction of a merge, before rows name the other subject, or after they part again.

    `merge` has the ids of both: `survivor_id` stays, `merged_id` goes.
    """

    def __call__(self, merge: Any, *, by: Any, now: datetime) -> object: ...


@dataclass
class Registry:
    """What has been registered so far."""

    holders: dict[str, Holder] = field(default_factory=dict)
    spared: dict[str, str] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    joinings: list[tuple[Joining, Joining]] = field(default_factory=list)
    import_kinds: dict[str, Any] = field(default_factory=dict)
    panels: list[Panel] = field(default_factory=list)
    defaults: list[Callable[[datetime], None]] = field(default_factory=list)
    namer: Namer | None = None
    sight: Sight | None = None
    sees_all: Callable[[Any], bool] | None = None


registry = Registry()


def holder(model: Any, label: str, personal: tuple[str, ...] = (), whose: str = "", **more: Any) -> None:
    """Register a table that holds a subject or personal text."""
    registry.holders[model._meta.label] = Holder(model, label, personal, whose, **more)


def spare(*models: Any) -> None:
    """Register tables of what is planned for or said to everybody: an erasure looks through them, no more."""
    registry.spared |= {model._meta.db_table: str(model._meta.verbose_name_plural) for model in models}


def ending(end: Ending) -> None:
    """Register what ends with a subject: a pass, a campaign, a message that waits."""
    registry.endings.append(end)


def joining(join: Joining, part: Joining) -> None:
    """Register what a merge of two subjects means beyond rows that move, and what parting them does."""
    registry.joinings.append((join, part))


def import_kind(kind: Any) -> None:
    """Register a kind of rows that files can bring; `kind.name` must be new."""
    if kind.name in registry.import_kinds:
        raise ValueError(f"import kind {kind.name} is registered twice")
    registry.import_kinds[kind.name] = kind


def panel(
    place: str, title: Any, template: str, context: Callable[..., dict[str, Any] | None], order: int = 100
) -> None:
    """Register a part of the profile or home page."""
    registry.panels.append(Panel(place, title, template, context, order))
    registry.panels.sort(key=lambda each: each.order)


def panels(place: str) -> list[Panel]:
    """The panels of one place, in their order."""
    return [each for each in registry.panels if each.place == place]


def defaults(make: Callable[[datetime], None]) -> None:
    """Register what writes an app's missing defaults, safe to repeat; `prepare` calls it after each update."""
    registry.defaults.append(make)


def name_subjects(namer: Namer) -> None:
    """Register what tells the names of subjects by their numbers, to a user; one app does."""
    registry.namer = namer


def named(ids: Collection[int], user: Any) -> dict[int, Named]:
    """Those of these subjects that there are and that the user sees, in as many queries as there are kinds of them."""
    return registry.namer(ids, user) if registry.namer and ids else {}


def show_subjects(sight: Sight, sees_all: Callable[[Any], bool]) -> None:
    """Register what narrows rows to those whose subject a user sees, and who sees all of them; one app does."""
    registry.sight, registry.sees_all = sight, sees_all


def sees_everything(user: Any) -> bool:
    """Whether no subject is hidden from a user."""
    return registry.sees_all is None or registry.sees_all(user)


def seen(rows: QuerySet[Any], user: Any, column: str = "subject_id") -> QuerySet[Any]:
    """The rows whose subject, by the id in `column`, the user sees."""
    return registry.sight(rows, user, column) if registry.sight else rows
