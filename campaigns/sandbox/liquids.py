"""Liquid as it may be written here: no files, no way round escaping, bounded loops, and a note of what was missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError
from liquid.undefined import Undefined

from campaigns.sandbox.confined import END, LINK, Fault

NEST = 20  # blocks within blocks
LOOPS = 20_000  # rounds of all loops of one text
OUTPUT = 1 << 20  # bytes of one text
KEPT = 1 << 20  # bytes of a text's own variables
FILES = ("include", "render")  # tags that would read other templates
UNSAFE = ("safe", "escapejs")  # filters that would let a value through as markup
MARKUP = ("escape", "escape_once", "newline_to_br")  # filters that make markup, of which there is none in plain text
PUT_LAST = {"unsubscribe_url": f"{LINK}u{END}", "preferences_url": f"{LINK}p{END}"}  # signed when a message is made

missing: dict[str, None] = {}  # what had no value in the text now being filled in, in order


class Missing(Undefined):
    """A variable without a value. That it was missing is noted when it is shown, so not by `default` nor by `if`."""

    __slots__ = ()

    def __str__(self) -> str:
        missing[(self.hint or self.name).removesuffix(" is undefined").strip("'")] = None
        return ""


class _Limited(Environment):
    block_nesting_limit = NEST
    loop_iteration_limit = LOOPS
    output_stream_limit = OUTPUT
    local_namespace_limit = KEPT


def _environment(*, escaping: bool) -> Environment:
    made = _Limited(undefined=Missing, autoescape=escaping, strict_filters=True, globals=PUT_LAST)
    for each in FILES:
        del made.tags[each]
    for each in UNSAFE:
        made.filters.pop(each, None)
    return made


def _as_it_is(value: object) -> object:
    return value


HTML = _environment(escaping=True)
PLAIN = _environment(escaping=False)
PLAIN.filters |= dict.fromkeys(MARKUP, _as_it_is)  # the plain text is made of the HTML, and so of its Liquid


def parse(text: str, environment: Environment = PLAIN) -> BoundTemplate:
    """The template, ready to be filled in. Raises Fault with the place of what is wrong."""
    try:
        made = environment.from_string(text)
    except LiquidError as error:
        raise _fault(error, text) from None
    except RecursionError:
        raise Fault("deep") from None
    return made


def asked(template: BoundTemplate, text: str) -> dict[str, int]:
    """The variables that a template takes from outside, as written, each with the place of its first use.

    Raises Fault for a filter that does not exist, with its place.
    """
    found = template.analyze(include_partials=False)
    for name, spans in found.filters.items():
        if name not in template.env.filters:
            at = text.find(name, max(spans[0].index, 0))
            raise Fault("filter", at, said=name)
    return {str(variable): variable.span.index for uses in found.globals.values() for variable in uses[::-1]}


def is_constant(text: str) -> bool:
    """Whether there is no Liquid in it."""
    return "{{" not in text and "{%" not in text


def fill_in(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    """The text with its values. Raises Fault."""
    try:
        return template.render(values)
    except LiquidError as error:
        raise _fault(error, "") from None
    except RecursionError:
        raise Fault("deep") from None
    except MemoryError:
        raise Fault("large") from None
    except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise Fault("liquid", said=str(error)[:200]) from None


def _fault(error: LiquidError, text: str) -> Fault:
    """The error as a fault; limits have codes of their own."""
    name = type(error).__name__
    code = {
        "LoopIterationLimitError": "loops",
        "OutputStreamLimitError": "large",
        "LocalNamespaceLimitError": "large",
        "ContextDepthError": "deep",
        "BlockNestingError": "deep",
    }.get(name, "liquid")
    place = error.token.start_index if error.token is not None else -1
    if text and place > len(text):
        place = -1
    return Fault(code, place, said=str(error.message)[:200])
