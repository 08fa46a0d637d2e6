"""Liquid as it may be written here: no files, no way round escaping, bounded loops, and a note of what was missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

import markupsafe
from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.expressions import FilteredExpression, Path, PositionalArgument, StringLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError, OutputStreamLimitError
from liquid.expression import Expression
from liquid.output import LimitedStringIO
from liquid.token import Token
from liquid.undefined import Undefined

from campaigns.sandbox.confined import END, LINK, Fault

NEST = 20  # blocks within blocks
LOOPS = 20_000  # rounds of all loops of one text
OUTPUT = 1 << 20  # bytes of one text
KEPT = 1 << 20  # bytes of a text's own variables
FILES = ("include", "render")  # tags that would read other templates
UNSAFE = ("safe", "escapejs")  # filters that would let a value through as markup
# Filters that make any letter of a harmless one: control characters, and the letters around what is put in last.
DECODING = ("url_decode", "base64_decode", "base64_url_safe_decode")
MARKUP = ("escape", "escape_once", "newline_to_br")  # filters that make markup, of which there is none in plain text
SPECIAL = re.compile(r"[&<>'\"]")  # letters that are escaped in HTML
COUNTED = ("size", "first", "last")  # what may be asked of a list
PUT_LAST = {"unsubscribe_url": f"{LINK}u{END}", "preferences_url": f"{LINK}p{END}"}  # signed when a message is made

missing: dict[str, None] = {}  # what had no value in the text now being filled in, in order


class Missing(Undefined):
    """A variable without a value. That it was missing is noted when it is shown, so not by `default` nor by `if`."""

    __slots__ = ()

    def __str__(self) -> str:
        missing[(self.hint or self.name).removesuffix(" is undefined").strip("'")] = None
        return ""


class _Buffer(LimitedStringIO):
    """The library's, which counts each piece by encoding it: of ASCII the letters are the bytes."""

    def write(self, piece: str, /) -> int:
        self.size += len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace"))
        if self.size > self.limit:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return StringIO.write(self, piece)


class _Template(BoundTemplate):
    def _get_buffer(self) -> StringIO:
        return _Buffer(limit=OUTPUT)


class _Value(OutputNode):
    """`{{ a.b }}` or `{{ a.b | default: "c" }}`, which nearly all values are, looked up without the library's detours.

    That is so as long as plain dictionaries lead to a text that is not empty, or a default stands for what is not
    there; anything else goes the library's way.
    """

    __slots__ = ("instead", "simple")

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        self.simple, self.instead = _simple(expression)

    def render_to_output(self, context: RenderContext, buffer: Any) -> int:
        if self.simple:
            found: object = context.scope.get(self.simple[0])
            for key in self.simple[1:]:
                if type(found) is not dict:
                    return super().render_to_output(context, buffer)
                found = found.get(key)
            if found is None and self.instead:
                return int(buffer.write(self.instead))  # typed by who writes the content, so it may be markup
            if type(found) is str and found:
                if context.autoescape and SPECIAL.search(found):
                    found = str(markupsafe.escape(found))
                return int(buffer.write(found))
        return super().render_to_output(context, buffer)


def _simple(expression: Expression) -> tuple[tuple[str, ...], str]:
    """The keys that lead to a value, and what stands for it; no keys when there is more to it."""
    if type(expression) is not FilteredExpression or type(expression.left) is not Path:
        return (), ""
    keys = tuple(key for key in expression.left.path if isinstance(key, str) and key not in COUNTED)
    if len(keys) < len(expression.left.path):
        return (), ""
    instead = ""
    for filter in expression.filters or ():
        if filter.name != "default" or instead or len(filter.args) != 1:
            return (), ""
        value = getattr(filter.args[0], "value", None)
        if type(filter.args[0]) is not PositionalArgument or type(value) is not StringLiteral or not value.value:
            return (), ""
        instead = value.value
    return keys, instead


class _Output(Output):
    node_class = _Value


class _Limited(Environment):
    template_class = _Template
    block_nesting_limit = NEST
    loop_iteration_limit = LOOPS
    output_stream_limit = OUTPUT
    local_namespace_limit = KEPT


def _environment(*, escaping: bool) -> Environment:
    made = _Limited(undefined=Missing, autoescape=escaping, strict_filters=True, globals=PUT_LAST)
    made.add_tag(_Output)
    for each in FILES:
        del made.tags[each]
    for each in (*UNSAFE, *DECODING):
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
