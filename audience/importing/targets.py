"""What a file's columns can become: the fields of a kind of rows, declared; and the kinds themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from audience.importing import values
from audience.importing.values import Type
from kit.sql import Sql

if TYPE_CHECKING:
    from audience.importing.run import Run

Text = str | Promise

CUSTOM = "custom."
PROPERTIES = "properties."
ALL_PROPERTIES = "all_properties"  # the field of a column that has them all, as one object


@dataclass(frozen=True)
class Target:
    """One field that a column can become. `length` is the most characters it takes; `aliases` are names it goes by."""

    name: str
    label: Text
    type: Type = values.TEXT
    length: int = 200
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Need:
    """At least one of these fields must be mapped, and in every row one of them must say something.

    `telling`: those of them by which a file shows that its rows are of the kind, where not all do.
    """

    any_of: tuple[str, ...]
    reason: Text
    telling: tuple[str, ...] = ()


@dataclass(frozen=True)
class Derived:
    """A column worked out of the row's own values (alias `r`), as a deal's status out of the words of its stage."""

    name: str
    column: str
    value: Sql


@dataclass(frozen=True)
class Check:
    """A row for which `wrong` holds (over the row's values, alias `r`) is refused with this reason."""

    wrong: Sql
    target: str
    reason: Text


@dataclass(frozen=True)
class Kind:
    """Rows of one sort that files can bring. What the engine cannot know of them are the functions.

    `derive` and `checks` work on one row; `match` decides, for the file as a whole, what is to become of every row;
    `prepare` writes what the rows refer to and is not there yet; `write` writes the rows `(after, last]`; `conclude`
    does what takes all rows to be there; `foretell` counts, for a dry run, what else than rows would come of it. `note`
    says, by the fields that are mapped, what is to be known before anything is brought in. They end in `table`, where
    `planned` names the column of the plan that holds their id; without it they are found there by source and external
    id. Only then can rows be merged at once.
    """

    name: str
    label: Text
    targets: tuple[Target, ...]
    match: Callable[[Run], None]
    write: Callable[[Run, int, int], Counter[str]]
    prepare: Callable[[Run], Counter[str]] = lambda run: Counter()
    conclude: Callable[[Run], Counter[str]] = lambda run: Counter()
    foretell: Callable[[Run], Counter[str]] = lambda run: Counter()
    note: Callable[[Collection[str]], Text] = lambda fields: ""
    needs: tuple[Need, ...] = ()
    derive: Callable[[Run], Sequence[Derived]] = lambda run: ()
    checks: Callable[[Run], Sequence[Check]] = lambda run: ()
    custom: str = ""  # "person" or "account": columns may become custom fields of it
    properties: bool = False  # columns may become properties
    reads: Sequence[str] = ()  # properties that tell more than themselves: columns called so become them
    table: str = ""
    planned: str = ""
    digest: bool = False  # a row without an id of its own is known by what it says
    touches_people: bool = False
    names: tuple[str, ...] = ()  # words of which a file's name may be one, in lower case
    told_by_name: Callable[[Sequence[str]], Mapping[str, str]] = lambda words: {}  # values by field, of a name's words
    help: Text = ""
    waits: Text = ""  # what is missing for those of its rows that were counted as `waiting`
    words: Mapping[str, Text] = field(default_factory=dict)  # of counts that this kind alone has
    by_name: dict[str, Target] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.properties:
            label = gettext_lazy("all properties (as JSON)")
            told = Target(ALL_PROPERTIES, label, values.OBJECT, aliases=("properties", "properties json"))
            object.__setattr__(self, "targets", (*self.targets, told))
        self.by_name.update({target.name: target for target in self.targets})
