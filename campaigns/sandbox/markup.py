"""HTML and MJML with Liquid in it: how each piece of Liquid is kept from whatever parses markup, and put back after.

A parser of HTML knows nothing of Liquid: it moves words that stand between table rows in front of the table, and a
style sheet with `{% if %}` in it is none. So each piece is replaced by something that a parser leaves where it is: in
words and values a word of its own, between elements a comment, between attributes an attribute. What a parser lost or
moved all the same is found by comparing the order, and refused rather than sent.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from campaigns.sandbox.confined import Fault

LIQUID = re.compile(
    r"\{%-?\s*(comment|doc)\b.*?\{%-?\s*end\1\s*-?%\}"  # as a whole: markup in it is none
    r"|\{\{.*?\}\}|\{%.*?%\}",
    re.DOTALL,
)
TAG_NAME = re.compile(r"\{%-?\s*(\w*)")
DEEPEST = 100  # elements within elements; mrml overflows its stack at some thousand
LARGEST = 500_000  # letters of a source

VOID = set("area base br col embed hr img input link meta source track wbr".split())
RAW = set("script style title textarea mj-style mj-title mj-preview".split())
REFUSED = set("script iframe frame frameset object embed applet base mj-include".split())
IN_TABLE = set("table thead tbody tfoot tr colgroup".split())
CLOSED_BY = {  # elements that an opening one closes by itself
    "tr": {"td", "th", "tr"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "li": {"li"},
    "p": {"p"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "option": {"option"},
    "tbody": {"td", "th", "tr", "tbody", "thead"},
}
MJML = set(
    "mjml mj-head mj-body mj-attributes mj-all mj-class mj-breakpoint mj-font mj-html-attributes mj-selector "
    "mj-html-attribute mj-preview mj-style mj-title mj-accordion mj-accordion-element mj-accordion-title "
    "mj-accordion-text mj-button mj-carousel mj-carousel-image mj-column mj-divider mj-group mj-hero mj-image "
    "mj-navbar mj-navbar-link mj-raw mj-section mj-social mj-social-element mj-spacer mj-table mj-text "
    "mj-wrapper".split()
)

OPENS = set("if unless case for tablerow capture raw ifchanged".split())
TURNS = set("else elsif when".split())


@dataclass
class Guarded:
    """A source in which each piece of Liquid is replaced; `pieces` are those, `places` where they stood."""

    text: str
    salt: str
    pieces: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    between: list[int] = field(default_factory=list)  # the tags that stand between elements: their order must hold

    @property
    def word(self) -> re.Pattern[str]:
        """What matches one placeholder."""
        return re.compile(rf"{self.salt}(\d+)z")

    def restored(self, text: str) -> str:
        """The text with its Liquid again."""
        anywhere = re.compile(rf"<!--{self.salt}(\d+)z-->|{self.salt}(\d+)z")
        return anywhere.sub(lambda found: self.pieces[int(found[found.lastindex or 0])], text)

    def is_tag(self, number: int) -> bool:
        """Whether a piece is a tag (`{% … %}`) rather than a value."""
        return self.pieces[number].startswith("{%")

    def compare(self, text: str) -> None:
        """Raises Fault when a parser lost a piece, or moved a tag that stood between elements."""
        found = [int(each) for each in self.word.findall(text)]
        there = set(found)
        for number, place in enumerate(self.places):
            if number not in there:
                raise Fault("lost", place, said=_short(self.pieces[number]))
        kept = [number for number in found if number in set(self.between)]
        for number, expected in zip(kept, self.between, strict=False):
            if number != expected:
                raise Fault("moved", self.places[expected], said=_short(self.pieces[expected]))
        if len(kept) != len(self.between):
            raise Fault("moved", self.places[kept[-1]], said=_short(self.pieces[kept[-1]]))


@dataclass
class _Place:
    """Where the scanner is: in words, a tag, a value, a comment or raw text; and within which elements."""

    mjml: bool
    state: str = "words"
    name: str = ""
    name_at: int = 0
    quote: str = ""
    equals: bool = False
    slash: bool = False
    attribute: int = 0  # counts values, so that one is told from the next
    open: list[str] = field(default_factory=list)
    shallowest: int = 0  # since the last tag of Liquid


def guard(source: str, *, mjml: bool) -> Guarded:
    """Replace each piece of Liquid. Raises Fault for what mail programs refuse, and for what is nested wrongly."""
    if len(source) > LARGEST:
        raise Fault("size", limit=LARGEST)
    salt = "lq" + secrets.token_hex(4)
    while salt in source:
        salt = "lq" + secrets.token_hex(4)
    done = Guarded("", salt)
    place, at = _Place(mjml), 0
    blocks: list[_Block] = []
    out: list[str] = []
    for found in LIQUID.finditer(source):
        _scan(place, source, at, found.start())
        out.append(source[at : found.start()])
        number, piece = len(done.pieces), found[0]
        if place.state == "tag" and not place.equals:
            raise Fault("attributes", found.start(), said=_short(piece))
        done.pieces.append(piece)
        done.places.append(found.start())
        if piece.startswith("{%"):
            _check_block(place, blocks, piece, found.start())
            if place.state == "words":
                done.between.append(number)
        out.append(_stand_in(place, f"{salt}{number}z", is_tag=piece.startswith("{%")))
        at = found.end()
    _scan(place, source, at, len(source))
    out.append(source[at:])
    if blocks:
        raise Fault("unclosed", blocks[-1].at, said=f"{{% {blocks[-1].name} %}}")
    if place.state in ("tag", "value"):
        raise Fault("unclosed", place.name_at, said=f"<{place.name}")
    if mjml and place.open:
        raise Fault("unclosed", said=f"<{place.open[-1]}>")
    done.text = "".join(out)
    return done


def _stand_in(place: _Place, word: str, *, is_tag: bool) -> str:
    in_table = bool(place.open) and place.open[-1] in IN_TABLE
    if place.state == "words":
        return f"<!--{word}-->" if is_tag or in_table else word
    place.equals = False
    return word


@dataclass
class _Block:
    """A block of Liquid that is open: where it began, and how far out of its elements markup went since."""

    name: str
    at: int
    state: str
    value: int
    elements: list[str]
    shallowest: int


def _check_block(place: _Place, blocks: list[_Block], piece: str, at: int) -> None:
    """Each arm of an `if` or round of a `for` must close what it opens: the parser sees all of them in a row."""
    found = TAG_NAME.match(piece)
    name = found[1] if found else ""
    depth, value = len(place.open), place.attribute if place.state == "value" else 0
    for each in blocks:
        each.shallowest = min(each.shallowest, place.shallowest)
    place.shallowest = depth
    if blocks and blocks[-1].name == "raw" and name != "endraw":
        return
    if name in OPENS:
        blocks.append(_Block(name, at, place.state, value, list(place.open), depth))
    elif blocks and (name in TURNS or name.startswith("end")):
        block = blocks[-1]
        if (block.state, block.value, block.elements) != (place.state, value, place.open) or block.shallowest < depth:
            longer, shorter = sorted((place.open, block.elements), key=len, reverse=True)
            element = longer[-1] if len(longer) > len(shorter) else place.name.removeprefix("/")
            raise Fault("unbalanced", at, said=f"{{% {block.name} %}}", element=f"<{element}>")
        block.shallowest = depth
        if name.startswith("end"):
            blocks.pop()


WORDS = re.compile(r"<(!--|/?[a-zA-Z][^\s/>]*)")
IN_TAG = re.compile(r"=\s*|[\"'>/]|[^\s=\"'>/]+|\s+")


def _scan(place: _Place, source: str, at: int, end: int) -> None:
    """Go on over source[at:end], in which there is no Liquid."""
    while at < end:
        if place.state == "words":
            found = WORDS.search(source, at, end)
            if not found:
                return
            at = found.end()
            if found[1] == "!--":
                place.state = "comment"
            else:
                place.state, place.name, place.name_at = "tag", found[1].lower(), found.start()
                place.equals = place.slash = False
        elif place.state == "comment":
            close = source.find("-->", at, end)
            if close < 0:
                return
            at, place.state = close + 3, "words"
        elif place.state == "raw":
            ending = re.compile(rf"</{place.name}\s*>", re.IGNORECASE).search(source, at, end)
            if not ending:
                return
            at, place.state = ending.end(), "words"
        elif place.state == "value":
            at = _value_ends(place, source, at, end)
        else:
            at = _within_tag(place, source, at, end)


def _value_ends(place: _Place, source: str, at: int, end: int) -> int:
    """Behind the end of an attribute's value, if it ends before `end`."""
    if place.quote:
        close = source.find(place.quote, at, end)
        if close < 0:
            return end
        place.state = "tag"
        return close + 1
    while at < end and not source[at].isspace() and source[at] != ">":
        at += 1
    if at < end:
        place.state = "tag"
    return at


def _within_tag(place: _Place, source: str, at: int, end: int) -> int:
    found = IN_TAG.match(source, at, end)
    if not found:
        return end
    token = found[0]
    if place.equals and not token.isspace():
        place.state, place.equals = "value", False
        place.attribute += 1
        place.quote = token if token in "\"'" else ""
        return found.end() if place.quote else at
    if token.startswith("="):
        place.equals = True
    elif token == "/":
        place.slash = True
    elif token == ">":
        _tag_ends(place)
    elif not token.isspace():
        place.slash = False
    return found.end()


def _tag_ends(place: _Place) -> None:
    name = place.name
    place.state = "words"
    if name.startswith("/"):
        _close(place, name[1:])
        return
    if name in REFUSED:
        raise Fault("refused", place.name_at, said=f"<{name}>")
    if place.mjml and name.startswith("mj") and name not in MJML:
        raise Fault("mjml_unknown", place.name_at, said=f"<{name}>")
    if name in VOID or (place.slash and (place.mjml or ":" in name)):
        return
    if not place.mjml:
        while place.open and place.open[-1] in CLOSED_BY.get(name, ()):
            place.open.pop()
    place.open.append(name)
    place.shallowest = min(place.shallowest, len(place.open) - 1)
    if len(place.open) > DEEPEST:
        raise Fault("deep", place.name_at, limit=DEEPEST)
    if name in RAW:
        place.open.pop()
        place.state = "raw"


def _close(place: _Place, name: str) -> None:
    if name not in place.open:
        if place.mjml and name.startswith("mj"):
            raise Fault("unopened", place.name_at, said=f"</{name}>")
        return
    while place.open:
        last = place.open.pop()
        if last == name:
            break
        if place.mjml and last.startswith("mj"):
            raise Fault("unclosed", place.name_at, said=f"<{last}>")
    place.shallowest = min(place.shallowest, len(place.open))


# ---- styles that are not inlined ----

COMMENT_OR_STYLE = re.compile(r"<!--.*?-->|(<style\b[^>]*>)(.*?)</style\s*>", re.DOTALL | re.IGNORECASE)


def set_aside(guarded: Guarded, html: str) -> tuple[str, Callable[[str], str]]:
    """Take out style sheets for some readers or screens only, as what is inlined holds for all; and a way back."""
    kept: list[str] = []

    def out(found: re.Match[str]) -> str:
        numbers = [int(each) for each in guarded.word.findall(found[0])]
        if found[1] is None or not ("media" in found[1].lower() or any(map(guarded.is_tag, numbers))):
            return found[0]
        kept.append(found[0])
        return f"<!--{guarded.salt}style{len(kept) - 1}-->"

    def back(text: str) -> str:
        return re.sub(rf"<!--{guarded.salt}style(\d+)-->", lambda found: kept[int(found[1])], text)

    return COMMENT_OR_STYLE.sub(out, html), back


# ---- links ----

COMMENT_OR_LINK = re.compile(r"<!--(\[if .*?)-->|<!--.*?-->|<(?:a|area)(?=\s)(?:[^<>\"]|\"[^\"]*\")*>", re.DOTALL)
HREF = re.compile(r'(?<=\s)href="([^"]*)"')


def each_link(html: str, change: Callable[[str], str | None]) -> str:
    """The document with `change` of each link's address (as it stands in the HTML); None leaves one alone.

    The links of conditional comments, which Outlook reads, are links too.
    """

    def changed(found: re.Match[str]) -> str:
        if found[0].startswith("<!--") and found[1] is None:
            return found[0]
        return HREF.sub(lambda href: href[0] if (to := change(href[1])) is None else f'href="{to}"', found[0])

    return COMMENT_OR_LINK.sub(changed, html)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:79] + "…"
