"""The program that fills in versions for their readers, a batch at a time, until it is told to end or runs out of time.

Whoever asks for one message at a time knows which one it died of. Of a batch, answers are kept back for a moment.
"""

from __future__ import annotations

import html as escapes
import json
import re
import resource
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from liquid import BoundTemplate, Environment

from campaigns.sandbox import confined, liquids
from campaigns.sandbox.compiling import CONTROL, PREHEADER
from campaigns.sandbox.confined import Fault

MEMORY = 400 << 20
EACH = 0.5  # seconds of computing for one message, after which it is given up
GRACE = 2  # seconds more after which the process is ended from outside of Python
LIFE = 10_000  # seconds of computing in all: more than all messages of a process may take together
KEPT_BACK = 1.0  # seconds for which answers are gathered, so that a batch is one write
GATHERED = 1 << 20  # bytes of them at most
ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
EMPTY_LINES = re.compile(r"\n{3,}")
HIDDEN = (
    '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{}'
    + "&#847;&zwnj;&nbsp;" * 60  # so that no words of the body are drawn into the preview
    + "</div>"
)

Part = BoundTemplate | str  # a template, or a text in which there is nothing to fill in


@dataclass
class Version:
    """The parts of one version, parsed; `links` with how each was typed."""

    subject: Part
    preheader: Part
    html: Part
    text: Part
    links: list[tuple[str, Part]]


class TooLong(BaseException):
    """One message has taken too long. No Exception, so that no filter of Liquid catches it."""


def _too_long(_signal: int, _frame: object) -> None:
    raise TooLong


def parsed(source: dict[str, Any]) -> Version:
    """Raises Fault."""
    return Version(
        _part(source["subject"]),
        _part(source["preheader"]),
        _part(source["html"], liquids.HTML),
        _part(source["text"]),
        [(each, _part(each)) for each in source["links"]],
    )


def _part(text: str, environment: Environment = liquids.PLAIN) -> Part:
    return text if liquids.is_constant(text) else liquids.parse(text, environment)


Answer = tuple[dict[str, Any], tuple[str, ...]]  # what became of a message, and its long texts


def rendered(version: Version, values: dict[str, Any]) -> Answer:
    """Subject, preview text, addresses (None: as typed) and what was missing; HTML and text. Raises Fault."""
    liquids.missing.clear()
    subject = _one_line(_filled(version.subject, values))
    preheader = _one_line(_filled(version.preheader, values))
    html = _filled(version.html, values)
    hidden = HIDDEN.format(escapes.escape(preheader)) if preheader else ""
    html = html.replace(PREHEADER, hidden, 1)
    text = _filled(version.text, values)
    if "\n\n\n" in text:
        text = EMPTY_LINES.sub("\n\n", text)
    links = None
    if any(not isinstance(part, str) for _typed, part in version.links):
        links = [_address(typed, part, values) for typed, part in version.links]
    return {"done": [subject, preheader, links, list(liquids.missing)]}, (html, text)


def _filled(part: Part, values: dict[str, Any]) -> str:
    return part if isinstance(part, str) else liquids.fill_in(part, values)


def _one_line(text: str) -> str:
    """Without control characters, in one line."""
    return " ".join(CONTROL.sub(" ", text).split())


def _address(typed: str, part: Part, values: dict[str, Any]) -> str:
    """The address for this reader; empty, and noted as missing, when what came out is none that may be followed."""
    if isinstance(part, str):
        return part
    address = quote(liquids.fill_in(part, values).strip(), safe="!#$%&'()*+,/:;=?@[]~")
    if ADDRESS.match(address) and confined.is_readable(address):
        return address
    liquids.missing[typed[:100]] = None
    return ""


class Versions:
    """The versions that are known, each parsed when it is first filled in."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self.parsed: dict[str, Version] = {}

    def get(self, key: str) -> Version:
        """Raises Fault when it cannot be parsed."""
        if key not in self.parsed:
            self.parsed[key] = parsed(self.sources[key])
        return self.parsed[key]


def answer(versions: Versions, key: str, values: dict[str, Any]) -> Answer:
    """What became of one message, within its time."""
    used = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (min(used + GRACE, LIFE), LIFE))
    signal.setitimer(signal.ITIMER_VIRTUAL, EACH)
    try:
        return rendered(versions.get(key), values)
    except Fault as fault:
        return {"fault": fault.told()}, ()
    except TooLong:
        return {"fault": Fault("time").told()}, ()
    except (MemoryError, RecursionError):
        return {"fault": Fault("large").told()}, ()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def answer_all(versions: Versions, messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Answer a batch, in its order."""
    frames: list[bytes] = []
    size, since = 0, time.monotonic()
    for key, values in messages:
        frames.append(confined.framed(*answer(versions, key, values)))
        size += len(frames[-1])
        if size > GATHERED or time.monotonic() - since > KEPT_BACK:
            confined.write_all(frames)
            frames, size, since = [], 0, time.monotonic()
    confined.write_all(frames)


WARM = {
    "subject": "{{ d | date: '%d %B %Y' }} {{ n | times: 1.5 | round: 1 }}",
    "preheader": "{% for i in (1..2) %}{{ i }}{% endfor %}",
    "html": "<p>{{ d | date: '%Y' | upcase | newline_to_br | url_encode }}{{ d | split: '-' | join: '' }}</p>",
    "text": "{{ t | strip_html | truncatewords: 3 }}",
    "links": ["https://x.example/{{ d }}"],
}


def main() -> None:
    """Answer batches until there are no more."""
    signal.signal(signal.SIGVTALRM, _too_long)
    versions = Versions()
    versions.sources[""] = WARM
    answer(versions, "", {"d": "2025-01-31", "t": "a <b>c</b>", "n": 2})  # loads what is loaded late
    confined.confine(memory=MEMORY, cpu=LIFE)
    while (asked := confined.read(sys.stdin.buffer)) is not None:
        sources, (messages,) = asked
        versions.sources |= sources
        answer_all(versions, json.loads(messages.translate(confined.WITHOUT_MARKERS)))
