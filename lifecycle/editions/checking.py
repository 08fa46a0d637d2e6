"""What is wrong with a version, each thing in words with its place: errors keep it from being published, others do not.

Only what is certain is said. A rule that looks odd but may hold for somebody passes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.conditions import contradictions, tree
from audience.conditions.tree import Node
from kit import calendars
from lifecycle.editions import handing
from lifecycle.engine import rules
from lifecycle.models import Stage, Transition, Version

Kind = Stage.Kind


class Severity(models.TextChoices):
    ERROR = "error", gettext_lazy("Keeps it from being published")
    WARNING = "warning", gettext_lazy("Look at this")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in words that name the place; for programs also the stage's slug or the rule's number.

    Neither of them: it is about the whole version, or (`entry_…`) about the entry condition.
    """

    code: str
    words: str
    stage: str | None = None
    rule: int | None = None
    severity: str = Severity.ERROR

    def __str__(self) -> str:
        return self.words


@dataclass
class Model:
    """A version's stages and rules with their conditions parsed; a condition that cannot be asked is missing."""

    version: Version
    faults: list[Finding] = field(default_factory=list)

    @cached_property
    def stages(self) -> list[Stage]:
        return list(self.version.stages.order_by("order"))

    @cached_property
    def rules(self) -> list[Transition]:
        return list(self.version.transitions.select_related("from_stage", "to_stage").order_by("priority"))

    @cached_property
    def entry(self) -> Node | None:
        return self._parsed(self.version.entry, _("The entry condition"), "entry_condition")

    @cached_property
    def conditions(self) -> dict[int, Node]:
        """What each rule that moves by a condition asks, by the rule's id."""
        found = {
            each.pk: self._parsed(each.condition, name(each), "condition", each.priority)
            for each in self.rules
            if not each.by_hand and not each.on_missed
        }
        return {key: node for key, node in found.items() if node is not None}

    @cached_property
    def guards(self) -> dict[int, Node]:
        found = {
            each.pk: self._parsed(each.guard, _("The guard of %(rule)s") % {"rule": name(each)}, "guard", each.priority)
            for each in self.rules
            if each.guard
        }
        return {key: node for key, node in found.items() if node is not None}

    def _parsed(self, condition: Any, place: str, code: str, rule: int | None = None) -> Node | None:
        wrong = tree.problems(condition, of=self.version.lifecycle.of)
        for each in wrong:
            words = _("%(place)s cannot be asked: %(why)s.") % {"place": place, "why": each.message}
            self.faults.append(Finding(code, words, rule=rule))
        return None if wrong else tree.parse(condition, of=self.version.lifecycle.of)

    def leaves(self, rule: Transition, stage: Stage) -> bool:
        """Whether a rule leads from a stage to another."""
        return rule.from_stage_id in (stage.pk, None) and rule.to_stage_id != stage.pk

    def at_once(self, rule: Transition) -> Node | None:
        """The condition of a rule that moves as soon as it holds; None for others."""
        return None if rule.delay else self.conditions.get(rule.pk)

    def begins_a_pass(self, rule: Transition) -> bool:
        """Whether a rule moves only from the stage in which a pass of the rules finds somebody, not from one behind."""
        node = self.conditions[rule.pk]
        return bool(rule.delay) or rules.asks_the_stay(node, self.version.lifecycle.slug)


def findings(version: Version) -> list[Finding]:
    """Everything that is wrong, errors first."""
    model = Model(version)
    found = [each for check in (*CHECKS, *_registered) for each in check(model)]
    return sorted(found + model.faults, key=lambda each: each.severity != Severity.ERROR)


def errors(version: Version) -> list[Finding]:
    """What keeps a version from being published."""
    return [each for each in findings(version) if each.severity == Severity.ERROR]


def name(rule: Transition) -> str:
    """A rule as findings name it: its number, and from where to where."""
    told = {"number": rule.priority, "from": rule.from_stage or _("any stage"), "to": rule.to_stage}
    return _("rule %(number)s (%(from)s → %(to)s)") % told


def _ends(model: Model) -> Iterator[Finding]:
    stages = model.stages
    if not stages:
        yield Finding("no_stage", _("There is no stage."))
    if not any(stage.kind == Kind.TERMINAL and stage.path == Stage.Path.SUCCESS for stage in stages):
        yield Finding("no_win", _("No stage of the success path is terminal, so no pass can be won."))
    if stages and (stages[0].kind in (Kind.GATE, Kind.TERMINAL) or stages[0].path != Stage.Path.SUCCESS):
        words = _("The first stage must hold its subjects and lie on the success path.")
        yield Finding("bad_first", words, stages[0].slug)


def _stages(model: Model) -> Iterator[Finding]:
    ways = _every_way(model)
    reached = _reach(model.stages[0].pk, ways) if model.stages else set()
    winning = _winning(model, ways)
    for stage in model.stages:
        named = {"stage": stage}
        exits = [rule for rule in model.rules if model.leaves(rule, stage)]
        if stage.pk not in reached:
            yield Finding("unreachable", _("Nothing leads to “%(stage)s”.") % named, stage.slug)
        if stage.kind == Kind.TERMINAL:
            if any(rule.from_stage_id == stage.pk for rule in model.rules):
                words = _("“%(stage)s” is terminal, but a rule leads out of it.")
                yield Finding("terminal_exit", words % named, stage.slug)
        elif not ways[stage.pk]:
            words = _("Nothing leads out of “%(stage)s”, and it is not terminal.")
            yield Finding("dead_end", words % named, stage.slug)
        elif stage.path == Stage.Path.SUCCESS and winning and stage.pk not in winning:
            words = _("From “%(stage)s”, on the success path, no rule leads on to its end, over whatever stages.")
            yield Finding("never_won", words % named, stage.slug)
        if stage.kind == Kind.GATE and not any(
            rule.from_stage_id == stage.pk and _is_everybody(model.at_once(rule)) for rule in exits
        ):
            words = _("The gate “%(stage)s” has no default exit (a rule without a condition).")
            yield Finding("gate_without_exit", words % named, stage.slug)
        if stage.kind == Kind.SLA and not stage.limit_hours:
            yield Finding("no_limit", _("The SLA stage “%(stage)s” has no limit.") % named, stage.slug)
        if stage.kind != Kind.SLA and stage.limit_hours:
            words = _("“%(stage)s” has a limit that nobody is judged by, because it is no SLA stage.") % named
            yield Finding("idle_limit", words, stage.slug, severity=Severity.WARNING)
        if stage.kind != Kind.SLA and stage.calendar:
            words = (
                _("“%(stage)s” names a working calendar that nothing counts by, because it is no SLA stage.") % named
            )
            yield Finding("idle_calendar", words, stage.slug, severity=Severity.WARNING)


def _calendars(model: Model) -> Iterator[Finding]:
    """Working calendars that there are not."""
    asked = {stage.calendar for stage in model.stages if stage.calendar}
    if not asked - set(calendars.names(asked)):
        return
    known = calendars.every()
    for stage in model.stages:
        if stage.calendar and stage.calendar not in known:
            told = {"stage": stage, "calendar": stage.calendar, "known": ", ".join(f"“{each}”" for each in known)}
            words = _("“%(stage)s” counts by the working calendar “%(calendar)s”, but there is none yet.")
            if known:
                words = _("“%(stage)s” counts by the working calendar “%(calendar)s”, but there are only %(known)s.")
            yield Finding("no_calendar", words % told, stage.slug)


def _never(model: Model) -> Iterator[Finding]:
    if model.entry is not None and (why := contradictions.why_never(model.entry)):
        words = _("The entry condition can never hold, so nobody enters: %(why)s.") % {"why": why}
        yield Finding("entry_never_holds", words)
    by_id = {each.pk: each for each in model.rules}
    for key, node in model.conditions.items():
        if why := contradictions.why_never(node):
            told = {"rule": name(by_id[key]), "why": why}
            words = _("The condition of %(rule)s can never hold: %(why)s.") % told
            yield Finding("never_holds", words, rule=by_id[key].priority)
    for key, node in model.guards.items():
        if why := contradictions.why_never(node):
            told = {"rule": name(by_id[key]), "why": why}
            words = _("The guard of %(rule)s can never hold: %(why)s.") % told
            yield Finding("guard_never_holds", words, rule=by_id[key].priority)


def _shadowed(model: Model) -> Iterator[Finding]:
    """Rules behind one that takes everybody first, or all for whom they hold."""
    for stage in model.stages:
        if stage.kind == Kind.TERMINAL:
            continue
        for rule in model.rules:
            if rule.from_stage_id != stage.pk or rule.pk not in model.conditions:
                continue
            first = next((each for each in model.rules if _comes_before(model, each, rule, stage)), None)
            if first is not None:
                told = {"rule": name(rule), "first": name(first)}
                words = (
                    _("%(first)s moves everybody, so %(rule)s behind it is never tried; put it before.")
                    if _is_everybody(model.at_once(first))
                    else _("%(first)s moves all for whom %(rule)s behind it holds, so it moves nobody; put it before.")
                ) % told
                yield Finding("never_tried", words[:1].upper() + words[1:], rule=rule.priority)


def _comes_before(model: Model, first: Transition, rule: Transition, stage: Stage) -> bool:
    """Whether one rule surely takes from a stage whomever another behind it would.

    Whoever has come to the stage by way of the first one's target is not sent back within one pass, and so may fulfil
    the other: where that can be, it is not sure. A rule that begins a pass finds everybody before they went anywhere.
    """
    node = model.at_once(first)
    if node is None or first.priority >= rule.priority or not model.leaves(first, stage):
        return False
    if not contradictions.implies(model.conditions[rule.pk], node):
        return False
    if model.begins_a_pass(rule):
        return True
    return not model.begins_a_pass(first) and stage.pk not in _within_a_pass(model, first.to_stage_id)


def _within_a_pass(model: Model, start: int) -> set[int]:
    """The stages to which one pass of the rules may bring somebody whom it has had in a stage."""
    of_the_first, later = (
        _edges(model, [rule for rule in model.rules if rule.pk in model.conditions and may(rule)])
        for may in (lambda rule: True, lambda rule: not model.begins_a_pass(rule))
    )
    return {start}.union(*(_reach(onward, later) for onward in of_the_first[start]))


def _circles(model: Model) -> Iterator[Finding]:
    ways = {each.pk: _first_for_all(model, each) for each in model.stages if each.kind != Kind.TERMINAL}
    for way in _loops(model, ways):
        words = _("These rules ask for nothing and send people round in a circle: %(way)s.") % {"way": " → ".join(way)}
        yield Finding("loop", words)
    for key in dict.fromkeys(_key(node) for node in model.conditions.values() if _is_steady(model, node)):
        for way in _loops(model, _ways_of(model, key), partial(_asks, model, key)):
            words = _("Whoever fulfils the one condition of these rules goes round in a circle: %(way)s.")
            yield Finding("circle", words % {"way": " → ".join(way)}, severity=Severity.WARNING)


def _is_steady(model: Model, node: Node) -> bool:
    """Whether a condition asks for something, but nothing that a move of this lifecycle changes."""
    own = f"stage.{model.version.lifecycle.slug}"
    return not _is_everybody(node) and not any(leaf.field.name.startswith(own) for leaf in tree.leaves(node))


def _ways_of(model: Model, key: str) -> dict[int, Transition | None]:
    """Where whoever fulfils one condition, and no other, is sent from each stage."""

    def fits(node: Node) -> bool:
        return _is_everybody(node) or _key(node) == key

    return {each.pk: _first(model, each, fits) for each in model.stages if each.kind != Kind.TERMINAL}


def _asks(model: Model, key: str, rule: Transition) -> bool:
    return _key(model.conditions[rule.pk]) == key


def _by_hand_into_gates(model: Model) -> Iterator[Finding]:
    for rule in model.rules:
        if rule.by_hand and rule.to_stage.kind == Kind.GATE:
            words = _("%(rule)s leads by hand to a gate, which holds nobody; name the stage behind it.")
            words = words % {"rule": name(rule)}
            yield Finding("by_hand_to_gate", words[:1].upper() + words[1:], rule=rule.priority)


Check = Callable[[Model], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (_ends, _stages, _calendars, _never, _shadowed, _circles, _by_hand_into_gates)
_registered: list[Check] = []


def register(check: Check) -> None:
    """Floors above look at versions as well, for what they keep of their stages."""
    _registered.append(check)


# ---- ways through the model ----

Edges = dict[int, set[int]]


def _every_way(model: Model) -> Edges:
    """Where one can come from each stage: by rules, by hand, by an answer of sales, and back when it was "not now"."""
    edges = _edges(model, model.rules)
    by_slug = {stage.slug: stage for stage in model.stages}
    kinds = {slug: stage.kind for slug, stage in by_slug.items()}
    for stage in model.stages:
        for answer, slug in handing.ways(stage.hand_off, kinds):
            edges[stage.pk].add(by_slug[slug].pk)
            if answer == handing.LATER:
                edges[by_slug[slug].pk].add(stage.pk)
    return edges


def _winning(model: Model, ways: Edges) -> set[int]:
    """The stages from which one can come on to an end of the success path; none when there is no such end."""
    ends = {each.pk for each in model.stages if each.kind == Kind.TERMINAL and each.path == Stage.Path.SUCCESS}
    return {each.pk for each in model.stages if _reach(each.pk, ways) & ends}


def _edges(model: Model, rules: Iterable[Transition]) -> Edges:
    edges: Edges = {stage.pk: set() for stage in model.stages}
    for rule in rules:
        for stage in model.stages:
            if stage.kind != Kind.TERMINAL and model.leaves(rule, stage):
                edges[stage.pk].add(rule.to_stage_id)
    return edges


def _reach(start: int, edges: Edges) -> set[int]:
    reached, todo = {start}, [start]
    while todo:
        for onward in edges[todo.pop()] - reached:
            reached.add(onward)
            todo.append(onward)
    return reached


def _first(model: Model, stage: Stage, fits: Callable[[Node], bool]) -> Transition | None:
    """The first rule out of a stage that moves at once and whose condition fits."""
    for rule in model.rules:
        node = model.at_once(rule)
        if node is not None and model.leaves(rule, stage) and fits(node):
            return rule
    return None


def _first_for_all(model: Model, stage: Stage) -> Transition | None:
    return _first(model, stage, _is_everybody)


def _loops(
    model: Model, ways: dict[int, Transition | None], needs: Callable[[Transition], bool] = lambda rule: True
) -> Iterator[list[str]]:
    """The circles in which one way leads out of each stage, closed, with a rule that `needs` accepts in each."""
    names = {each.pk: each.name for each in model.stages}
    seen: set[int] = set()
    for stage in model.stages:
        here, path = stage.pk, []
        while here not in seen and (rule := ways.get(here)) is not None:
            seen.add(here)
            path.append((here, rule))
            here = rule.to_stage_id
        places = [place for place, _rule in path]
        if here in places and any(needs(rule) for _place, rule in path[places.index(here) :]):
            yield [names[place] for place in places[places.index(here) :]] + [names[here]]


def _is_everybody(node: Node | None) -> bool:
    return node is not None and tree.is_everybody(node)


def _key(node: Node) -> str:
    return json.dumps(tree.dump(node), sort_keys=True, default=str)
