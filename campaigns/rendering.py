"""Compiling what users write, and filling it in for readers: always in a limited process, never in this one.

A source is compiled once per version, by a process that does nothing else. Versions are filled in by processes that
are kept for some thousand messages, in batches. A process that dies of a message costs that message a strike and no
other: what it has not answered is asked one by one then, so the one it dies of is known. See `campaigns.sandbox`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from django.utils.translation import gettext as _

from campaigns.models import ContentVersion
from campaigns.sandbox import confined
from campaigns.sandbox.confined import END, LINK

BATCH = 50  # messages that a process is handed at once
LIFE = 20_000  # messages after which a process is replaced
KNOWN = 40  # versions that a process keeps parsed; then it is replaced too
PATIENCE = 10.0  # seconds without an answer after which a process is ended
COMPILE = 20.0  # seconds for one source
DEATHS = 3  # of one version in one call, after which its other messages wait for another time
LARGEST_SOURCE = 500_000  # letters, and so much memory and time
ROOT = str(Path(__file__).resolve().parent.parent)


class ContentError(ValueError):
    """What is wrong with a content, in the user's words; line and column count from 1, 0 when not known.

    `field` is what it is wrong with: source, text, subject or preheader.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0, field: str = "source") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.field = message, line, column, field

    def __str__(self) -> str:
        if not self.line:
            return self.message
        return _("Line %(line)s, column %(column)s: %(message)s") % {
            "line": self.line,
            "column": self.column,
            "message": self.message,
        }


@dataclass(frozen=True)
class Compiled:
    """A source made ready. `added` tells what a footer was added for."""

    html: str
    text: str
    links: list[str]
    added: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToRender:
    """One message to be written: a version (perhaps not saved yet) and the values for its reader."""

    id: UUID
    version: ContentVersion
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Rendered:
    """One message's words. `html` and `text` hold markers, which `mime.assemble` or `filled` replaces.

    `links` are the addresses behind its links for this reader, in the order of the version's; empty where the reader's
    values made none. `missing` names what had no value and no default.
    """

    subject: str
    preheader: str
    html: str
    text: str
    links: list[str]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Unrendered:
    """Why a message could not be written. Without `strike` it is not its fault, and it may be tried again."""

    reason: str
    strike: bool


# ---- compiling ----


def compile(source: str, format: str, *, text: str = "", subject: str = "", preheader: str = "") -> Compiled:
    """The HTML, plain text and links of a source in HTML or MJML with Liquid. Raises ContentError.

    What each marketing mail needs and the source lacks (postal address, unsubscribe link) comes in a small footer.
    """
    if max(map(len, (source, text))) > LARGEST_SOURCE:
        raise ContentError(_words({"code": "size", "limit": LARGEST_SOURCE}))
    asked = {
        "source": source.encode("utf-8", "replace").decode(),
        "format": format,
        "text": text,
        "subject": subject,
        "preheader": preheader,
        "footer": {"unsubscribe": _("Unsubscribe"), "preferences": _("Choose what you get")},
    }
    child = _Child("compiling")
    try:
        child.ask(asked)
        told: dict[str, Any] = next((told for told, _bodies in child.answers(1, COMPILE)), _DIED)
    finally:
        child.end()
    if fault := told.get("fault"):
        raise ContentError(_words(fault), int(fault["line"]), int(fault["column"]), str(fault.get("field", "source")))
    done = told["done"]
    return Compiled(done["html"], done["text"], done["links"], tuple(done["added"]))


# ---- filling in ----


def render(batch: Sequence[ToRender]) -> dict[UUID, Rendered | Unrendered]:
    """Each message's words, or why there are none. Never raises for what a user wrote."""
    keys = _keys(batch)
    waiting = list(batch)
    done: dict[UUID, Rendered | Unrendered] = {}
    deaths: Counter[str] = Counter()
    singly = 0  # messages that are asked one by one, for one of them is deadly
    while waiting:
        now = waiting[: 1 if singly else BATCH]
        told = _answers(now, keys)
        done |= {each.id: _answer(answer, each) for each, answer in zip(now, told, strict=False)}
        waiting = waiting[len(told) :]
        singly = max(singly - 1, 0)
        if len(told) < len(now):
            if len(now) > 1:
                singly = len(now) - len(told)
                continue
            guilty = waiting.pop(0)
            done[guilty.id] = Unrendered(_words(_DIED["fault"]), strike=True)
            key = keys[id(guilty.version)]
            deaths[key] += 1
            if deaths[key] == DEATHS:
                others = [each for each in waiting if keys[id(each.version)] == key]
                done |= {each.id: Unrendered(_words({"code": "others_died"}), strike=False) for each in others}
                waiting = [each for each in waiting if keys[id(each.version)] != key]
    return done


def filled(text: str, links: Sequence[str], *, unsubscribe: str = "#", preferences: str = "#", in_html: bool) -> str:
    """A rendered text with its links as they are, for previews and for mail that is not tracked."""
    put: dict[str, str] = {str(number): address or "#" for number, address in enumerate(links)}
    put |= {"u": unsubscribe, "p": preferences, "o": "", "h": ""}
    return replaced(text, {key: escape(value) for key, value in put.items()} if in_html else put)


def replaced(text: str, put: Mapping[str, str]) -> str:
    """The text with each marker replaced; one that stands for nothing goes."""
    pieces = text.split(LINK)
    for at in range(1, len(pieces)):
        key, end, rest = pieces[at].partition(END)
        pieces[at] = put.get(key, "") + rest if end else key
    return "".join(pieces)


def tagged(address: str, *, campaign: str, source: str = "perennial") -> str:
    """A web address with the tags by which analytics know whence a visitor came; those that are there stay."""
    if not address.lower().startswith(("http://", "https://")):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    there = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    tags = {"utm_source": source, "utm_medium": "email", "utm_campaign": campaign}
    added = urlencode({name: value for name, value in tags.items() if value and name not in there})
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, added)))))


def _keys(batch: Sequence[ToRender]) -> dict[int, str]:
    """By what a process knows each version: its words, so that a draft needs no number."""
    versions = {id(each.version): each.version for each in batch}
    return {place: sha256(repr(_source(version)).encode()).hexdigest() for place, version in versions.items()}


def _source(version: ContentVersion) -> dict[str, Any]:
    return {
        "subject": version.subject,
        "preheader": version.preheader,
        "html": version.html,
        "text": version.text,
        "links": version.links,
    }


def _answers(batch: Sequence[ToRender], keys: Mapping[int, str]) -> list[Answer]:
    """What a process answered, message by message; fewer than asked when it died of the next one."""
    versions = {keys[id(each.version)]: _source(each.version) for each in batch}
    messages = json.dumps([(keys[id(each.version)], each.context) for each in batch], ensure_ascii=False)
    while True:
        child = _borrow()
        try:
            new = {key: source for key, source in versions.items() if key not in child.known}
            child.ask(new, messages)
        except BrokenPipeError:  # it had ended before it was asked
            child.end()
            continue
        except BaseException:
            child.end()
            raise
        child.known |= versions.keys()
        child.asked += len(batch)
        told = list(child.answers(len(batch), PATIENCE))
        if len(told) == len(batch):
            _give_back(child)
        else:
            child.end()
        return told


def _answer(answer: Answer, asked: ToRender) -> Rendered | Unrendered:
    told, bodies = answer
    if fault := told.get("fault"):
        return Unrendered(_words(fault), strike=True)
    subject, preheader, links, missing = told["done"]
    html, text = bodies
    return Rendered(subject, preheader, html, text, asked.version.links if links is None else links, tuple(missing))


# ---- processes ----


_DIED = {"fault": {"code": "died", "line": 0, "column": 0}}
Answer = tuple[dict[str, Any], list[str]]  # what became of a message, and its long texts


class _NoAnswer(Exception):
    """A process died, or was silent for too long."""


class _Child:
    """One process: with no environment, no files, and what it is asked through its standard input."""

    def __init__(self, program: str) -> None:
        start = f"import sys; sys.path.append({ROOT!r}); from campaigns.sandbox.{program} import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        self.heard = bytearray()
        self.known: set[str] = set()
        self.asked = 0
        self.used_at = time.monotonic()

    def ask(self, value: Any, *bodies: str) -> None:
        """Raises BrokenPipeError when the process has ended."""
        assert self.process.stdin
        self.process.stdin.write(confined.framed(value, bodies))
        self.process.stdin.flush()

    def answers(self, number: int, patience: float) -> Iterator[Answer]:
        """Its answers, at most so many; none more once it died, talks too much, or was silent for too long."""
        try:
            for _number in range(number):
                head = json.loads(self._read(int.from_bytes(self._read(confined.HEAD, patience), "big"), patience))
                yield head["value"], [self._read(size, patience).decode() for size in head["sizes"]]
        except _NoAnswer:
            return

    def _read(self, size: int, patience: float) -> bytes:
        """So many bytes. Raises _NoAnswer when they do not come in time."""
        assert self.process.stdout
        if size > confined.LARGEST:
            raise _NoAnswer
        until = time.monotonic() + patience
        while len(self.heard) < size:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise _NoAnswer
            piece = os.read(self.process.stdout.fileno(), 1 << 20)
            if not piece:
                raise _NoAnswer
            self.heard += piece
        found = bytes(self.heard[:size])
        del self.heard[:size]
        return found

    def is_fit(self) -> bool:
        """Whether it may be asked once more."""
        return (
            self.asked < LIFE
            and len(self.known) < KNOWN
            and time.monotonic() - self.used_at < confined.IDLE / 2
            and self.process.poll() is None
        )

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        self.process.wait()


_resting: list[_Child] = []
_lock = threading.Lock()
_owner = os.getpid()


def _borrow() -> _Child:
    """A process for this thread alone: one that rests, or a new one."""
    global _owner
    with _lock:
        if _owner != os.getpid():  # after a fork the resting ones are the parent's
            _resting.clear()
            _owner = os.getpid()
        while _resting:
            child = _resting.pop()
            if child.is_fit():
                return child
            child.end()
    return _Child("working")


def _give_back(child: _Child) -> None:
    child.used_at = time.monotonic()
    with _lock:
        _resting.append(child)


@atexit.register
def _end_all() -> None:
    with _lock:
        if _owner == os.getpid():
            while _resting:
                _resting.pop().end()


# ---- in words ----


def _words(fault: Mapping[str, Any]) -> str:
    """What a process found wrong, in the user's words."""
    told = {
        "size": _("It is too long: at most %(limit)s letters."),
        "control": _("There is a control character that no mail may hold. Delete it."),
        "line": _("This must be one line."),
        "liquid": _("Liquid: %(said)s."),
        "filter": _("There is no filter “%(said)s” in Liquid."),
        "attributes": _(
            '%(said)s cannot stand between attributes. Put it into a value: class="{%% if … %%}a{%% endif %%}".'
        ),
        "deep": _("It is nested too deeply."),
        "loops": _("Its loops go round too often."),
        "large": _("It becomes too large."),
        "time": _("It takes too long to fill in."),
        "died": _("It takes too much time or memory."),
        "others_died": _("The same content took too much time or memory for others; it is tried again."),
        "refused": _("%(said)s does not work in mail: mail programs take it out. Take it out here."),
        "unclosed": _("%(said)s is not closed."),
        "unopened": _("%(said)s closes nothing that is open."),
        "unbalanced": _("%(element)s is opened or closed in only one arm of %(said)s. Put the whole element inside."),
        "lost": _("%(said)s cannot stand here: it would get lost. Put it into a text or an attribute's value."),
        "moved": _("%(said)s cannot stand here: it would end up elsewhere. Put it around whole elements."),
        "link": _("A link must begin with https://, http:// or mailto:, not “%(said)s”."),
        "link_unreadable": _("This is no address that a browser could follow: “%(said)s”."),
        "links": _("There are too many links: at most %(limit)s."),
        "css": _("A style cannot be read: %(said)s."),
        "mjml": _("MJML: %(said)s."),
        "mjml_root": _("MJML begins with <mjml>."),
        "mjml_unknown": _("There is no %(said)s in MJML."),
    }.get(str(fault["code"]), _("It cannot be used."))
    return told % {"said": "", "limit": "", "element": "", **fault}
