"""The limits of a process that handles what users wrote, and the frames in which it speaks with its parent."""

from __future__ import annotations

import json
import resource
import select
import sys
import unicodedata  # noqa: F401 - `urlsplit` asks for it late, when no file can be opened any more
from collections.abc import Sequence
from typing import Any, BinaryIO
from urllib.parse import urlsplit

HEAD = 4  # bytes of a frame's length
LARGEST = 64 << 20  # bytes of a frame that the parent still reads
IDLE = 60  # seconds after which a child that is not asked anything ends, so that none outlives its parent for long
LINK, END = "\ue000", "\ue001"  # around what is put into a message last; private letters that nothing typed may hold
WITHOUT_MARKERS = {ord(LINK): None, ord(END): None}

_json = json.JSONEncoder(separators=(",", ":")).encode


class Fault(Exception):
    """What is wrong with something that a user wrote: a code, its details, and where (from 0) in which text."""

    def __init__(self, code: str, at: int = -1, **details: Any) -> None:
        super().__init__(code)
        self.code, self.at, self.details = code, at, details
        self.text, self.field = "", "source"

    def told(self) -> dict[str, Any]:
        """As the parent is told: line and column count from 1, and are 0 when the place is not known."""
        line = column = 0
        if 0 <= self.at <= len(self.text):
            before = self.text[: self.at]
            line, column = before.count("\n") + 1, self.at - (before.rfind("\n") + 1) + 1
        return {"code": self.code, "field": self.field, "line": line, "column": column, **self.details}


def confine(*, memory: int, cpu: int) -> None:
    """Give up whatever is not needed any more: memory beyond a limit, time, writing files, opening any at all."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # what is open stays open


def is_readable(address: str) -> bool:
    """Whether a web address can be taken apart: unlike https://[2001:db8, of which no browser knows where it leads."""
    try:
        return bool(urlsplit(address).netloc)
    except ValueError:
        return False


def framed(value: Any, bodies: Sequence[str] = ()) -> bytes:
    """One frame: the length of its JSON, the JSON, then `bodies` as they are, whose lengths the JSON tells."""
    raw = [each.encode("utf-8", "replace") for each in bodies]
    head = _json({"value": value, "sizes": [len(each) for each in raw]}).encode()
    return b"".join([len(head).to_bytes(HEAD, "big"), head, *raw])


def read(stream: BinaryIO) -> tuple[Any, list[str]] | None:
    """The next frame; None at the end, or when nobody has asked anything for a while."""
    if not select.select([stream], [], [], IDLE)[0]:
        return None
    head = stream.read(HEAD)
    if len(head) < HEAD:
        return None
    told = json.loads(stream.read(int.from_bytes(head, "big")))
    return told["value"], [stream.read(size).decode() for size in told["sizes"]]


def write(value: Any, bodies: Sequence[str] = ()) -> None:
    """Answer with one frame, at once."""
    write_all([framed(value, bodies)])


def write_all(frames: Sequence[bytes]) -> None:
    """Answer with several frames, at once."""
    sys.stdout.buffer.write(b"".join(frames))
    sys.stdout.buffer.flush()
