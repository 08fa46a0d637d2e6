"""The one-shot program that makes a version out of a source: MJML to HTML, styles inlined, links numbered, plain text.

What cannot be sent, or would not arrive as it was written, is refused with its place.
"""

from __future__ import annotations

import html as escapes
import re
import sys
from typing import Any

import css_inline
import mjml

from campaigns.sandbox import confined, liquids, markup, plain
from campaigns.sandbox.confined import END, LINK, Fault

MEMORY = 512 << 20
CPU = 10  # seconds
MOST_LINKS = 500
PREHEADER, OPEN = f"{LINK}h{END}", f"{LINK}o{END}"  # where the preview text and the pixel come to stand
OWN_ADDRESS = re.compile(r"\{\{-?\s*(unsubscribe_url|preferences_url)\s*-?\}\}")
SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
TYPED_ADDRESS = re.compile(r"https?://(?:\{\{.*?\}\}|[^\s<>\"'{}])*[^\s<>\"'.,;:!?)\]}]|https?://\S*\{\{.*?\}\}")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def compiled(asked: dict[str, Any]) -> dict[str, Any]:
    """The version of a source. Raises Fault."""
    source, is_mjml = _clean(asked["source"], "source"), asked["format"] == "mjml"
    text, subject, preheader = (_clean(asked[each], each) for each in ("text", "subject", "preheader"))
    with _about("source", source):
        guarded = markup.guard(source, mjml=is_mjml)
        used = liquids.asked(liquids.parse(source, liquids.HTML), source)
        html = _inlined(guarded, _html_of(guarded) if is_mjml else guarded.text)
        guarded.compare(html)
        links = _Links(guarded)
        html = markup.each_link(html, links.numbered)
        made = plain.text_of(html, guarded.word) if not text.strip() else ""
    lacking = _lacking(used)
    html = _finished(guarded.restored(html), asked["footer"], lacking)
    with _about("source", html):
        liquids.parse(html, liquids.HTML)
    asked_by_text = _asked(text, "text") if text.strip() else used
    body = links.in_text(text) if text.strip() else guarded.restored(made)
    for field, value in (("subject", subject), ("preheader", preheader)):
        _asked(value, field)
    return {
        "html": html,
        "text": body.rstrip() + "\n" + _text_footer(asked["footer"], _lacking(asked_by_text)),
        "links": links.addresses,
        "added": lacking,
    }


def _clean(text: str, field: str) -> str:
    """With line ends of one kind, and without our own markers. Raises Fault for control characters."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(confined.WITHOUT_MARKERS)
    fault: Fault | None = None
    if found := CONTROL.search(text):
        fault = Fault("control", found.start())
    elif field in ("subject", "preheader") and "\n" in text.strip():
        fault = Fault("line", text.index("\n"))
    if fault:
        fault.text, fault.field = text, field
        raise fault
    return text


class _about:  # noqa: N801 - reads as a word
    """Whatever is wrong within it is wrong with this text of this field."""

    def __init__(self, field: str, text: str) -> None:
        self.field, self.text = field, text

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, Fault) and not error.text:
            error.field, error.text = self.field, self.text


def _asked(text: str, field: str) -> dict[str, int]:
    with _about(field, text):
        return liquids.asked(liquids.parse(text), text)


def _html_of(guarded: markup.Guarded) -> str:
    """The HTML of MJML."""
    if not re.match(r"\s*(<!--.*?-->\s*)*<mjml[\s>]", guarded.text, re.DOTALL | re.IGNORECASE):
        raise Fault("mjml_root", 0)
    try:
        return mjml.mjml2html(guarded.text, fonts={})  # whoever opens a mail is not told to Google
    except Exception as error:  # the parser's own kinds are many
        raise _mjml_fault(guarded, str(error)) from None


def _mjml_fault(guarded: markup.Guarded, said: str) -> Fault:
    """What the parser of MJML said; it counts the letters of what it was given, placeholders included."""
    found = re.search(r"position (\d+):", said)
    if not found:
        return Fault("mjml", said=said[:200])
    before = guarded.restored(guarded.text[: int(found[1])])
    return Fault("mjml", len(before), said=said[: found.start()].removesuffix(" at ")[:200])


def _inlined(guarded: markup.Guarded, html: str) -> str:
    """The document with the rules of its style sheets at each element, as mail programs want it."""
    html, back = markup.set_aside(guarded, html)
    inliner = css_inline.CSSInliner(
        keep_style_tags=True,  # rules for some screens and for hovering cannot be inlined
        remove_inlined_selectors=True,
        keep_link_tags=True,
        load_remote_stylesheets=False,
    )
    try:
        done = inliner.inline(html)
    except css_inline.InlineError as error:
        raise Fault("css", said=guarded.restored(str(error))[:200]) from None
    done = re.sub(r"<style[^>]*>\s*</style>", "", back(done))
    return done if done[:9].lower() == "<!doctype" else "<!DOCTYPE html>" + done


class _Links:
    """The links of a version: each address once, as it was typed, in the order in which it comes."""

    def __init__(self, guarded: markup.Guarded) -> None:
        self.guarded = guarded
        self.addresses: list[str] = []

    def numbered(self, address: str) -> str | None:
        """What stands in the place of a link's address in HTML; None leaves it."""
        typed = self.guarded.restored(escapes.unescape(address)).strip()
        if not typed or typed.startswith("#") or OWN_ADDRESS.fullmatch(typed):
            return None
        scheme = SCHEME.match(typed)
        if scheme and scheme[0].lower() in ("mailto:", "tel:"):
            return None
        if not typed.startswith(("{{", "{%")) and not re.match(r"https?://.", typed, re.IGNORECASE):
            raise Fault("link", self._place(address), said=typed[:100])
        if liquids.is_constant(typed) and not confined.is_readable(typed):
            raise Fault("link_unreadable", self._place(address), said=typed[:100])
        return self._marker(typed)

    def in_text(self, text: str) -> str:
        """A typed text with its web addresses numbered."""
        return TYPED_ADDRESS.sub(
            lambda found: self._marker(found[0]) if confined.is_readable(found[0]) else found[0], text
        )

    def _marker(self, typed: str) -> str:
        if typed not in self.addresses:
            if len(self.addresses) == MOST_LINKS:
                raise Fault("links", limit=MOST_LINKS)
            self.addresses.append(typed)
        return f"{LINK}{self.addresses.index(typed)}{END}"

    def _place(self, address: str) -> int:
        """Where an address that holds no Liquid, or only some, stands in the source."""
        at = self.guarded.text.find(escapes.unescape(address))
        return len(self.guarded.restored(self.guarded.text[:at])) if at >= 0 else -1


# ---- what is added ----


def _lacking(used: dict[str, int]) -> list[str]:
    """What each marketing mail must have and this one has not."""
    return [each for each in ("postal_address", "unsubscribe_url") if each not in used]


def _finished(html: str, footer: dict[str, str], lacking: list[str]) -> str:
    """With places for the preview text and the pixel, and what it lacks in a small footer."""
    small = (
        '<div style="max-width:600px;margin:24px auto;padding:0 16px;text-align:center;'
        'font:12px/1.6 Arial,Helvetica,sans-serif;color:#767676">'
        f"{'<br>'.join(_footer_lines(footer, lacking, in_html=True))}</div>"
        if lacking
        else ""
    )
    html = _insert(html, re.compile(r"<body\b(?:[^<>\"]|\"[^\"]*\")*>", re.IGNORECASE), PREHEADER, after=True)
    return _insert(html, re.compile(r"</body\s*>(?!.*</body\s*>)", re.IGNORECASE | re.DOTALL), small + OPEN)


def _insert(html: str, where: re.Pattern[str], piece: str, *, after: bool = False) -> str:
    found = where.search(html)
    if not found:
        return piece + html if after else html + piece
    at = found.end() if after else found.start()
    return html[:at] + piece + html[at:]


def _text_footer(footer: dict[str, str], lacking: list[str]) -> str:
    lines = _footer_lines(footer, lacking, in_html=False)
    return "\n-- \n" + "\n".join(lines) + "\n" if lines else ""


def _footer_lines(footer: dict[str, str], lacking: list[str], *, in_html: bool) -> list[str]:
    lines = []
    if "postal_address" in lacking:
        lines.append("{{ company }}")
        lines.append("{{ postal_address | strip | newline_to_br }}" if in_html else "{{ postal_address }}")
    if "unsubscribe_url" in lacking:
        pairs = [(footer["unsubscribe"], "unsubscribe_url"), (footer["preferences"], "preferences_url")]
        if in_html:
            style = "color:#767676;text-decoration:underline"
            links = (f'<a href="{{{{ {to} }}}}" style="{style}">{escapes.escape(label)}</a>' for label, to in pairs)
            lines.append(" &nbsp;·&nbsp; ".join(links))
        else:
            lines += [f"{label}: {{{{ {to} }}}}" for label, to in pairs]
    return lines


def main() -> None:
    """Answer one question, and end."""
    compiled(_WARM)
    confined.confine(memory=MEMORY, cpu=CPU)
    asked = confined.read(sys.stdin.buffer)
    if asked is None:
        return
    try:
        confined.write({"done": compiled(asked[0])})
    except Fault as fault:
        confined.write({"fault": fault.told()})
    except RecursionError:
        confined.write({"fault": Fault("deep").told()})
    except MemoryError:
        confined.write({"fault": Fault("large").told()})


# Once before the limits hold, so that everything that is loaded late is loaded.
_WARM = {
    "source": "<mjml><mj-body><mj-section><mj-column><mj-text>{{ x | upcase }}</mj-text></mj-column></mj-section>"
    "</mj-body></mjml>",
    "format": "mjml",
    "text": "",
    "subject": "",
    "preheader": "",
    "footer": {"unsubscribe": "", "preferences": ""},
}
