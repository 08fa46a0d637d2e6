"""A lifecycle's document in words: who enters, and each rule as a sentence; fields are read once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audience.conditions import describe, registry, tree
from lifecycle.editions import documents, handing
from lifecycle.models import Transition


@dataclass(frozen=True)
class Rule:
    """One rule as people read it; `number` is its place, from 1."""

    number: int
    source: str  # the stage's short name, or "any"
    target: str
    from_name: str
    to_name: str
    when: str
    by_hand: bool
    reason: str
    name: str
    entry: dict[str, Any]

    @property
    def title(self) -> str:
        return self.name or f"{self.from_name} → {self.to_name}"


class Sentences:
    """The words of one document, which `documents.checked` has taken."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.catalogue = registry.catalogue(document["of"], documents.coming_fields(document))
        self.names = {each["slug"]: each["name"] for each in document["stages"]}

    def entry(self) -> str:
        """Who enters."""
        return self.condition(self.document.get("entry"))

    def rules(self) -> list[Rule]:
        """All rules, in the order in which they are tried."""
        return [
            Rule(
                number,
                each["from"],
                each["to"],
                self.names.get(each["from"], _("any stage")),
                self.names[each["to"]],
                self.when(each),
                bool(each.get("by_hand")),
                each.get("reason", ""),
                each.get("name", ""),
                each,
            )
            for number, each in enumerate(self.document["transitions"], 1)
        ]

    def moves(self) -> list[Rule]:
        """The rules, and behind them what has no number: what a missed limit does, and what sales answers."""
        stages = self.document["stages"]
        answered = [rule for stage in stages for rule in self._answered(stage)]
        return [*self.rules(), *filter(None, map(self._missed, stages)), *answered]

    def _answered(self, stage: dict[str, Any]) -> Iterator[Rule]:
        kinds = {each["slug"]: each["kind"] for each in self.document["stages"]}
        source = stage["slug"]
        for answer, target in handing.ways(stage.get("hand_off"), kinds):
            names, when = (self.names[source], self.names[target]), handing.when(answer)
            yield Rule(0, source, target, *names, when, False, "", "", stage["hand_off"])

    def _missed(self, stage: dict[str, Any]) -> Rule | None:
        missed = stage.get("when_missed")
        if not missed:
            return None
        source, target, when = stage["slug"], missed["to"], _("its limit is missed")
        reason, name = missed.get("reason", ""), missed.get("name", "")
        return Rule(
            0, source, target, self.names[source], self.names[target], when, False, reason, name, missed
        )  # fmt: skip

    def when(self, rule: dict[str, Any]) -> str:
        """When a rule moves somebody, with how long it waits, or what guards it by hand."""
        told = self.condition(rule["when"]) if "when" in rule else ""
        for unit, length in (rule.get("delay") or {}).items():
            words = {"length": length, "unit": Transition.Unit(unit).label, "when": told}
            told = _("%(length)s %(unit)s after this came to hold: %(when)s") % words
        if rule.get("guard"):
            told = _("only if %(guard)s") % {"guard": self.condition(rule["guard"])}
        return told

    def condition(self, data: Any) -> str:
        """A condition as a sentence; one that asks for what is there no more says so."""
        try:
            return describe.sentence(tree.parse(data, of=self.document["of"], catalogue=self.catalogue))
        except tree.ConditionError as error:
            return _("cannot be asked any more: %(why)s") % {"why": error.message}

    def leaves(self) -> list[tree.Leaf]:
        """Everything that the document's conditions ask, in their order; of what cannot be asked any more, nothing."""
        found: list[tree.Leaf] = []
        asked = [each.get(key) for each in self.document["transitions"] for key in ("when", "guard")]
        for data in [self.document.get("entry"), *asked]:
            try:
                found += tree.leaves(tree.parse(data, of=self.document["of"], catalogue=self.catalogue))
            except tree.ConditionError:
                continue
        return found

    def fields(self) -> list[registry.Field]:
        """Every field that is asked, once each, by label; the lifecycle's own stages are none of them."""
        own = f"stage.{self.document['lifecycle']}"
        asked = {leaf.field.name: leaf.field for leaf in self.leaves()}
        others = [each for name, each in asked.items() if name != own and not name.startswith(f"{own}.")]
        return sorted(others, key=lambda each: str(each.label))
