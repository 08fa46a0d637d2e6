"""JSON read strictly: what PostgreSQL could not keep, or what two readers would understand differently, is refused.

Python's own decoder with its hooks: doubled keys and out-of-range numbers are refused while it parses, in C.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, NoReturn

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from kit.api.problems import Problem, too_large

DEEPEST = 64  # objects and lists within one another
SMALLEST, LARGEST = -(2**63), 2**63 - 1
LONGEST_NUMBER = 40  # digits and signs; no number that we keep has more

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_TEXT = re.compile(rb'"[^"]*"')
_OUTLINE = bytes(set(range(256)) - set(b'"[]{}'))
_DEEPER = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class StrictJSON(BaseParser):
    """DRF's parser of `application/json`: every refusal is a problem with a code of its own."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return decoded(body_of(stream))


def body_of(stream: Any) -> bytes:
    """The whole body. Raises Problem when it is longer than the limit."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise too_large(limit)
    return body


def decoded(body: bytes) -> Any:
    """What the body says. Raises Problem."""
    text = _text(body)
    if depth(body) > DEEPEST:
        raise Problem(400, "json_too_deep", _("Lists and objects are nested too deeply."), limit=DEEPEST)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        said = _("This is no JSON: %(why)s in line %(line)s, column %(column)s.")
        where = {"why": error.msg, "line": error.lineno, "column": error.colno}
        raise Problem(400, "bad_json", said % where, line=error.lineno, column=error.colno) from None
    if b"\\u" in body:
        refuse_bad_unicode(value)
    return value


def depth(body: bytes) -> int:
    """How deep lists and objects go, counted on the bytes, before anything is built."""
    plain = _ESCAPED.sub(b"", body) if b"\\" in body else body
    outline = _TEXT.sub(b"", plain.translate(None, _OUTLINE)).replace(b'"', b"")
    return max(accumulate(map(_DEEPER.__getitem__, outline)), default=0)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        said = _("The body is not UTF-8: the byte at %(offset)s is none of it.") % {"offset": error.start}
        raise Problem(400, "not_utf8", said, offset=error.start) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Problem(400, "duplicate_key", _("“%(key)s” is said twice in one object.") % {"key": _short(twice)})
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER or not SMALLEST <= (number := int(digits)) <= LARGEST:
        _refuse_number(digits)
    return number


def _number(digits: str) -> float:
    if len(digits) > LONGEST_NUMBER or abs(number := float(digits)) == float("inf"):
        _refuse_number(digits)
    return number


def _constant(word: str) -> NoReturn:
    _refuse_number(word)


def _refuse_number(digits: str) -> NoReturn:
    said = _("%(number)s is out of range: whole numbers have 64 bits, others %(longest)s characters.")
    given = {"number": digits[:20] + "…" * (len(digits) > 20), "longest": LONGEST_NUMBER}
    raise Problem(400, "number_out_of_range", said % given, minimum=SMALLEST, maximum=LARGEST)


def refuse_bad_unicode(value: Any, path: str = "$") -> None:
    """Refuse what no text of the database can hold, anywhere within a value. Raises Problem."""
    if isinstance(value, str):
        if _is_bad(value):
            raise Problem(
                400, "bad_unicode", _("%(path)s holds a NUL or half a character.") % {"path": path}, path=path
            )
    elif isinstance(value, dict):
        for key, each in value.items():
            refuse_bad_unicode(key, f"{path}.{_short(key) if not _is_bad(key) else '?'}")
            refuse_bad_unicode(each, f"{path}.{_short(key)}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            refuse_bad_unicode(each, f"{path}[{number}]")


def _is_bad(text: str) -> bool:
    return "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _short(text: str) -> str:
    """A key as a message may carry it."""
    return text[:100].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
