"""YAML files that people write: read safely, each fault with the place it is in."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from typing import Any

import yaml
from django.utils.translation import gettext as _

from kit import writing

LIMIT_BYTES = 500_000
MOST_ENTRIES = 200


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, but a day stays text, as conditions and JSON hold it, and only true and false are yes and no."""


RESERVED = {"new", "file", "start", "moves", "playbooks"}  # what follows the name of a list in addresses
DEEPEST = 160  # conditions may be nested 64 deep, each level a mapping and a list
MOST_TOKENS = 60_000
OPENS = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
CLOSES = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_UNTYPED = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNTYPED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


class DocumentError(ValueError):
    """What is wrong with a document, with the place it is wrong in."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


def read(text: str) -> Any:
    """What the YAML says; days stay text. Raises DocumentError, naming the line, for what is no plain YAML."""
    if len(text.encode()) > LIMIT_BYTES:
        raise DocumentError("", _("The file is longer than %(limit)s bytes.") % {"limit": LIMIT_BYTES})
    try:
        _refuse_aliases(text)
        found = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader
        _refuse_bad_text(found)
        return found
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = (
            _("line %(line)s, column %(column)s") % {"line": mark.line + 1, "column": mark.column + 1} if mark else ""
        )
        raise DocumentError(place, getattr(error, "problem", None) or str(error)) from error


def write(document: dict[str, Any]) -> str:
    """The document as YAML, its entries in their order."""
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def mapping(value: Any, place: str, known: Collection[str]) -> dict[str, Any]:
    """A mapping with none but the known names."""
    if not isinstance(value, dict):
        raise DocumentError(place, _("is not a mapping of names to values"))
    for key in value:
        if key not in known:
            raise DocumentError(
                place,
                _("“%(key)s” is not known here; known are %(known)s") % {"key": key, "known": ", ".join(sorted(known))},
            )
    return value


def entries(value: Any, place: str) -> list[Any]:
    """A list that is not too long."""
    if not isinstance(value, list):
        raise DocumentError(place, _("is not a list"))
    if len(value) > MOST_ENTRIES:
        raise DocumentError(place, _("has more than %(most)s entries") % {"most": MOST_ENTRIES})
    return value


def slug(value: Any, place: str) -> None:
    """A short name as conditions and addresses have it."""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", value):
        raise DocumentError(place, _("is not a short name of small letters, digits and _ (it begins with a letter)"))
    if value in RESERVED:
        raise DocumentError(place, _("is a word that addresses of pages need; choose another"))


def day(value: Any, place: str) -> None:
    """A day as text, of an ordinary year."""
    try:
        year = date.fromisoformat(value).year
    except (TypeError, ValueError) as error:
        raise DocumentError(place, _("is not a day written as 2026-03-31")) from error
    if not writing.FIRST_YEAR <= year <= writing.LAST_YEAR:
        years = {"first": writing.FIRST_YEAR, "last": writing.LAST_YEAR}
        raise DocumentError(place, _("is not between the years %(first)s and %(last)s") % years)


def one_of(value: Any, known: Collection[str], place: str) -> None:
    """One of the known values."""
    if value not in known:
        raise DocumentError(
            place, _("is “%(value)s”, but can be %(known)s") % {"value": value, "known": ", ".join(known)}
        )


def _refuse_aliases(text: str) -> None:
    """Aliases let a small file unfold into a huge one; these documents need none, nor depth or length without end."""
    depth = 0
    for number, token in enumerate(yaml.scan(text)):
        depth += isinstance(token, OPENS) - isinstance(token, CLOSES)
        problem = ""
        if isinstance(token, yaml.AliasToken):
            problem = _("references (*name) are not supported")
        elif depth > DEEPEST:
            problem = _("this is nested too deep")
        elif number > MOST_TOKENS:
            problem = _("the file says more than such a document can hold")
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=token.start_mark)


def _refuse_bad_text(found: Any) -> None:
    """An escape may write what no database takes: a NUL, or half a character."""
    waiting = [found]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and ("\0" in part or any("\ud800" <= each <= "\udfff" for each in part)):
            raise DocumentError("", _("A text holds a NUL character or half a character; remove it."))
