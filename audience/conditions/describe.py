"""A condition as a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audience.conditions.facts import DAYS
from audience.conditions.registry import Field
from audience.conditions.tree import All, Leaf, Node, Not


def sentence(node: Node) -> str:
    """What the condition asks, in the active language: country is “DE” and (… or …)."""
    return _sentence(node, outermost=True)


def _sentence(node: Node, *, outermost: bool = False) -> str:
    if isinstance(node, Leaf):
        return leaf(node)
    if isinstance(node, Not):
        return _("not (%(part)s)") % {"part": _sentence(node.part, outermost=True)}
    if not node.parts:
        return _("everybody")
    if len(node.parts) == 1:
        return _sentence(node.parts[0], outermost=outermost)
    glue = _(" and ") if isinstance(node, All) else _(" or ")
    text = glue.join(_sentence(part) for part in node.parts)
    return text if outermost else f"({text})"


def leaf(asked: Leaf) -> str:
    """One question in words."""
    operator = asked.how
    facts = {"field": _facts(asked), "value": operand(asked)}
    if asked.field.counted and operator.counted:
        return str(operator.counted) % facts
    return str(operator.sentence) % facts


def operand(asked: Leaf) -> str:
    """What the value is compared with, in words."""
    if asked.operator == "between":
        low, high = asked.operand
        return _("%(low)s and %(high)s") % {"low": _plain(low, asked.field), "high": _plain(high, asked.field)}
    if isinstance(asked.operand, tuple):
        return ", ".join(_plain(each, asked.field) for each in asked.operand)
    return _plain(asked.operand, asked.field)


def _facts(asked: Leaf) -> str:
    """What is asked, with what narrows it: activities (webinar attended) in the last 30 days."""
    counted = asked.field.counted if asked.how.counted else None
    text = str(counted % _how_many(asked.operand)) if counted else str(asked.field.label)
    if asked.where:
        text += f" ({narrowed(asked)})"
    if asked.who is not None:
        text += f" ({sentence(asked.who)})"
    if asked.days is not None:
        text += " " + ngettext("in the last day", "in the last %(days)s days", asked.days) % {"days": asked.days}
    return text


def narrowed(asked: Leaf) -> str:
    """What narrows the facts, in words: webinar attended, channel: web. A kind goes by its label in the catalogue."""
    return ", ".join(_narrowed(key, each, asked.called) for key, each in asked.where)


def _narrowed(key: str, wanted: tuple[str, ...], called: Callable[[str], str]) -> str:
    if key == "kind":
        return _wanted(tuple(map(called, wanted)))
    if key in DAYS:
        return f"{key_in_words(key)} {wanted[0]}"
    return f"{key_in_words(key)}: {_wanted(wanted)}"


def _how_many(operand: Any) -> int:
    """The number by which a noun is in the singular or plural; of a range, its end."""
    return math.ceil(operand[1] if isinstance(operand, tuple) else operand)


def key_in_words(key: str) -> str:
    """What a key of `where` is called; a property goes by its own name."""
    words = {
        "kind": _("kind"),
        "channel": _("channel"),
        "platform": _("platform"),
        "direction": _("direction"),
        "actor": _("actor"),
        "source": _("source"),
        "response": _("a response"),
        "engagement": _("engagement"),
        "paid": _("paid channel"),
        "product": _("product"),
        "status": _("status"),
        "pipeline": _("pipeline"),
        "stage": _("pipeline stage"),
        "currency": _("currency"),
        "properties": _("property"),
        "since": _("from"),
        "until": _("up to"),
    }
    return words.get(key, key.removeprefix("properties."))


def _wanted(wanted: tuple[str, ...]) -> str:
    return _(" or ").join(each or _("(empty)") for each in wanted)


def _plain(value: Any, field: Field) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Decimal):
        if field.type == "money":
            value = value / 100
            return number_format(value, 2)
        return number_format(value.normalize() if value % 1 else int(value))
    if isinstance(value, datetime):
        return date_format(value, "Y-m-d H:i e")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        labels = dict(field.choices)
        return f"“{labels.get(value, value)}”"
    return "" if value is None else str(value)
