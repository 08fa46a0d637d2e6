"""A condition as it is written (JSON) and as it is held (a tree of frozen nodes): parse, write back, look into.

    {"all": [{"field": "person.country", "op": "is", "value": "DE"},
             {"not": {"field": "activity.count", "where": {"kind": "unsubscribed"}, "days": 30,
                      "op": "at_least", "value": 1}}]}

`{}`, null and {"all": []} mean everybody.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import facts, registry, values
from audience.conditions.operators import Operator, fold
from audience.conditions.registry import Field, Where
from audience.conditions.values import Unusable, shown

MOST_NODES = 200
DEEPEST = 64
MOST_WHERE = 20


class ConditionError(ValueError):
    """A condition that cannot be asked: `code` for programs, `path` to the node, `message` naming both in words.

    `steps` is the path for programs, such as ("all", "2", "value"), and `reason` the message without it.
    """

    def __init__(self, code: str, path: str, message: str, steps: tuple[str, ...] = ()) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.code = code
        self.path = path
        self.message = str(self)
        self.reason = message
        self.steps = steps


@dataclass(frozen=True)
class All:
    """Holds when each of its parts does; with no parts, for everybody."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class AnyOf:
    """Holds when one of its parts does."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """Holds when its part does not."""

    part: Node


@dataclass(frozen=True)
class Leaf:
    """One field asked with one operator, perhaps of some facts only (`where`), of the last `days` only."""

    field: Field
    operator: str
    operand: Any = None
    where: Where = ()
    days: int | None = None
    who: Node | None = None
    called: Callable[[str], str] = dataclasses.field(default=registry.words, compare=False, repr=False)  # of a kind

    @property
    def windows(self) -> tuple[int, ...]:
        """The lengths, in days, of the windows that facts leave."""
        if self.days is None:
            return ()
        return (self.days, 2 * self.days) if self.field.needs_days else (self.days,)

    @property
    def how(self) -> Operator:
        return self.field.operators[self.operator]

    @property
    def comes_by_time(self) -> bool:
        """Whether it can come to hold without any fact: an age is reached, something leaves the window, or fades."""
        if self.how.timed or self.field.timed or self.field.needs_days:
            return True
        if self.who is not None:
            return any(leaf.comes_by_time for leaf in leaves(self.who))
        if self.field.fades and (self.how.falls or self.operand is False):
            return True
        return self.days is not None and (self.how.falls or self.field.name.endswith(".first"))


Node = All | AnyOf | Not | Leaf
EVERYBODY = All()


def parse(
    data: Any, *, of: str = "person", coming: Iterable[Field] = (), catalogue: registry.Catalogue | None = None
) -> Node:
    """The tree of a condition about people or accounts. Raises ConditionError naming the node that is wrong.

    `coming` are fields that do not stand in rows yet but will when the condition is asked. Who parses many conditions
    of one kind of subject at once reads the fields once, and gives the `catalogue`.
    """
    return _Parser(catalogue or registry.catalogue(of, coming)).node(data, (), 1)


def problems(data: Any, *, of: str = "person", coming: Iterable[Field] = ()) -> list[ConditionError]:
    """All that is wrong with a condition, at most one thing per node; empty exactly when `parse` takes it."""
    parser = _Parser(registry.catalogue(of, coming), collecting=True)
    try:
        parser.node(data, (), 1)
    except ConditionError as error:
        return [*parser.found, error]
    return parser.found


def leaves(node: Node) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Not):
        yield from leaves(node.part)
    else:
        for part in node.parts:
            yield from leaves(part)


def needed(node: Node) -> Iterator[Leaf]:
    """The leaves of which each has to hold for the whole to hold."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, All) or (isinstance(node, AnyOf) and len(node.parts) == 1):
        for part in node.parts:
            yield from needed(part)


def turns(node: Node, to: bool = True) -> Iterator[tuple[Leaf, bool]]:
    """The leaves from left to right, each with the turn of its answer by which the whole may come to hold."""
    if isinstance(node, Leaf):
        yield node, to
    elif isinstance(node, Not):
        yield from turns(node.part, not to)
    else:
        for part in node.parts:
            yield from turns(part, to)


def is_everybody(node: Node) -> bool:
    """Whether it asks nothing at all."""
    return isinstance(node, All) and all(is_everybody(part) for part in node.parts)


def dump(node: Node) -> Any:
    """The JSON of a tree; `parse(dump(node))` is the same tree."""
    if isinstance(node, All):
        return {"all": [dump(part) for part in node.parts]} if node.parts else {}
    if isinstance(node, AnyOf):
        return {"any": [dump(part) for part in node.parts]}
    if isinstance(node, Not):
        return {"not": dump(node.part)}
    data: dict[str, Any] = {"field": node.field.name, "op": node.operator}
    if node.operand is not None:
        data["value"] = _json(node.operand)
    if node.where:
        data["where"] = {key: wanted[0] if len(wanted) == 1 else list(wanted) for key, wanted in node.where}
    if node.days is not None:
        data["days"] = node.days
    if node.who is not None:
        data["who"] = dump(node.who)
    return data


def _json(operand: Any) -> Any:
    if isinstance(operand, tuple):
        return [_json(each) for each in operand]
    if isinstance(operand, Decimal):
        return int(operand) if operand == int(operand) else float(operand)
    if isinstance(operand, date | datetime):
        return operand.isoformat()
    return operand


Path = tuple[str, ...]


class _Parser:
    def __init__(self, catalogue: registry.Catalogue, *, collecting: bool = False, within: bool = False) -> None:
        self.catalogue = catalogue
        self.within = within
        self.nodes = 0
        self.collecting = collecting
        self.found: list[ConditionError] = []

    def node(self, data: Any, path: Path, depth: int) -> Node:
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            raise _error(
                "wrong_shape",
                path,
                _("a condition is an object such as {“field”: …} or {“all”: […]}, not %(given)s")
                % {"given": shown(data)},
            )
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _error(
                "too_many", path, _("the condition has more than %(most)s parts; split it") % {"most": MOST_NODES}
            )
        if depth > DEEPEST:
            raise _error(
                "too_deep", path, _("the condition is nested more than %(most)s deep; flatten it") % {"most": DEEPEST}
            )
        if not data:
            return EVERYBODY
        if "field" in data or "op" in data:
            return self.leaf(data, path, depth)
        for key in ("all", "any", "not"):
            if key in data:
                if len(data) > 1:
                    raise _error(
                        "unknown_key",
                        path,
                        _("“%(key)s” stands alone in its object; move %(others)s into an object of its own")
                        % {"key": key, "others": ", ".join(shown(each) for each in data if each != key)},
                    )
                return self.group(key, data[key], (*path, key), depth)
        raise _error(
            "unknown_key",
            path,
            _("%(key)s is not known here; a condition has “all”, “any”, “not” or “field”")
            % {"key": shown(next(iter(data)))},
        )

    def group(self, key: str, data: Any, path: Path, depth: int) -> Node:
        if key == "not":
            return Not(self.node(data, path, depth + 1))
        if not isinstance(data, list | tuple):
            raise _error("wrong_shape", path, _("needs a list of conditions, not %(given)s") % {"given": shown(data)})
        if key == "any" and not data:
            raise _error("no_value", path, _("needs at least one condition"))
        parts = tuple(self.part(each, (*path, str(number)), depth + 1) for number, each in enumerate(data, 1))
        return All(parts) if key == "all" else AnyOf(parts)

    def part(self, data: Any, path: Path, depth: int) -> Node:
        """One of several parts: while all errors are collected, what is wrong with it does not hide the others'."""
        try:
            return self.node(data, path, depth)
        except ConditionError as error:
            if not self.collecting or error.code in ("too_many", "too_deep"):
                raise
            self.found.append(error)
            return EVERYBODY

    def leaf(self, data: Mapping[Any, Any], path: Path, depth: int) -> Leaf:
        for key in data:
            if key not in ("field", "op", "value", "where", "days", "who"):
                raise _error(
                    "unknown_key",
                    path,
                    _("%(key)s is not known here; known are “field”, “op”, “value”, “where”, “days”, “who”")
                    % {"key": shown(key)},
                )
        found = self.field(data.get("field"), (*path, "field"))
        operator = self.operator(found, data.get("op"), (*path, "op"))
        operand = self.operand(found, operator, data.get("value"), (*path, "value"))
        where = self.where(found, data.get("where"), (*path, "where"))
        days = self.days(found, data.get("days"), (*path, "days"))
        who = self.who(found, data.get("who"), (*path, "who"), depth)
        return Leaf(found, operator.name, operand, where, days, who, self.catalogue.kind_name)

    def field(self, name: Any, path: Path) -> Field:
        if not isinstance(name, str) or not name:
            raise _error("unknown_field", path, _("needs the name of a field, such as “person.country”"))
        found = self.catalogue.get(name)
        if found is None:
            message = _("there is no field %(name)s") % {"name": shown(name)}
            close = self.catalogue.close_to(name[:200])
            if close:
                message += _("; did you mean “%(close)s”?") % {"close": close}
            raise _error("unknown_field", path, message)
        if self.catalogue.of not in found.of:
            raise _error(
                "wrong_subject",
                path,
                _("“%(name)s” cannot be asked of people; it belongs to accounts")
                if self.catalogue.of == "person"
                else _("“%(name)s” cannot be asked of accounts; it belongs to people"),
                name=name,
            )
        return found

    def operator(self, found: Field, name: Any, path: Path) -> Operator:
        if isinstance(name, str) and name in found.operators:
            return found.operators[name]
        raise _error(
            "unknown_operator",
            path,
            _("“%(field)s” cannot be asked with %(given)s; it takes %(known)s")
            % {"field": found.name, "given": shown(name), "known": ", ".join(found.operators)},
        )

    def operand(self, found: Field, operator: Operator, data: Any, path: Path) -> Any:
        try:
            operand = operator.read(data)
        except Unusable as error:
            raise _error(error.code, path, error.message) from error
        if found.choices and operator.name in ("is", "is_not", "in", "not_in"):
            known = {fold(value) for value, _label in found.choices}
            for each in operand if isinstance(operand, tuple) else (operand,):
                if fold(each) not in known:
                    raise _error(
                        "unknown_choice",
                        path,
                        _("“%(field)s” is never %(given)s; it can be %(known)s")
                        % {
                            "field": found.name,
                            "given": shown(each),
                            "known": ", ".join(value for value, _label in found.choices[:20]),
                        },
                    )
        return operand

    def where(self, found: Field, data: Any, path: Path) -> Where:
        if data is None or data == {}:
            return ()
        if not found.where:
            raise _error(
                "unknown_key", path, _("“%(field)s” cannot be narrowed; leave “where” out") % {"field": found.name}
            )
        if not isinstance(data, Mapping):
            raise _error(
                "wrong_shape", path, _("needs an object such as {“kind”: …}, not %(given)s") % {"given": shown(data)}
            )
        if len(data) > MOST_WHERE:
            raise _error("too_many", path, _("has more than %(most)s entries") % {"most": MOST_WHERE})
        entries = {
            self.where_key(found, key, path): (self.day if key in facts.DAYS else self.wanted)(data[key], (*path, key))
            for key in data
        }
        if {*facts.DAYS} <= {*entries} and entries["since"] > entries["until"]:
            raise _error("bad_date", (*path, "until"), _("is a day before “since”"))
        for key, choices in found.where_choices.items():
            for each in entries.get(key, ()):
                if each not in choices:
                    raise _error(
                        "unknown_choice",
                        (*path, key),
                        _("is never %(given)s; it can be %(known)s")
                        % {"given": shown(each), "known": ", ".join(choices)},
                    )
        return tuple(sorted(entries.items()))

    def where_key(self, found: Field, key: Any, path: Path) -> str:
        if isinstance(key, str):
            if key in found.where and key != "properties":
                return key
            if "properties" in found.where and key.startswith("properties.") and len(key) > len("properties."):
                try:
                    return values.clean(key)
                except Unusable as error:
                    raise _error(error.code, path, error.message) from error
        known = ", ".join("properties.…" if each == "properties" else each for each in found.where)
        raise _error(
            "unknown_key",
            path,
            _("%(key)s is not known here; known are %(known)s") % {"key": shown(key), "known": known},
        )

    def wanted(self, data: Any, path: Path) -> tuple[str, ...]:
        each_of = data if isinstance(data, list | tuple) else [data]
        if not each_of or len(each_of) > values.LONGEST_LIST:
            raise _error(
                "no_value", path, _("needs a value, or a list of up to %(most)s") % {"most": values.LONGEST_LIST}
            )
        try:
            return tuple(dict.fromkeys(_plain(each) for each in each_of))
        except Unusable as error:
            raise _error(error.code, path, error.message) from error

    def day(self, data: Any, path: Path) -> tuple[str, ...]:
        try:
            return (values.day(data).isoformat(),)
        except Unusable as error:
            raise _error(error.code, path, error.message) from error

    def days(self, found: Field, data: Any, path: Path) -> int | None:
        if data is None:
            if found.needs_days:
                raise _error("no_value", path, _("“%(field)s” needs a number of days") % {"field": found.name})
            return None
        if not found.windowed:
            raise _error("unknown_key", path, _("“%(field)s” has no window; leave “days” out") % {"field": found.name})
        try:
            days = values.days(data)
        except Unusable as error:
            raise _error(error.code, path, error.message) from error
        if days < 1:
            raise _error("bad_number", path, _("a window has at least one day"))
        return days

    def who(self, found: Field, data: Any, path: Path, depth: int) -> Node | None:
        """The condition within a question, about an account's people or a person's account. There is no third in it."""
        if data is None:
            return None
        if not found.who:
            raise _error(
                "unknown_key",
                path,
                _("“%(field)s” takes no condition about others; leave “who” out") % {"field": found.name},
            )
        if self.within:
            raise _error("too_deep", path, _("a condition about others cannot ask for others of theirs"))
        others = registry.catalogue(found.who, self.catalogue.coming.values())
        about = _Parser(others, collecting=self.collecting, within=True)
        about.nodes, about.found = self.nodes, self.found
        node = about.node(data, path, depth + 1)
        self.nodes = about.nodes
        return None if is_everybody(node) else node


def _plain(data: Any) -> str:
    """A value of `where`, as the text that facts are compared with; the empty text finds what is not set."""
    if data is None:
        return ""
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, int | float):
        number = values.number(data)
        return str(int(number)) if number == int(number) else str(number)
    if isinstance(data, str):
        return values.clean(data)
    raise Unusable("wrong_type", _("needs text, a number, true or false, not %(given)s") % {"given": shown(data)})


def _error(code: str, path: Path, message: str, **named: str) -> ConditionError:
    place = " › ".join(shown(each).strip("“”") if isinstance(each, str) else str(each) for each in path)
    return ConditionError(code, place, message % named if named else message, path)
