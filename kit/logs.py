"""Lines of the log: each tells what it goes back to, and none tells a secret or somebody's address.

Readable lines for a terminal, one JSON object a line for machines (LOG_FORMAT). What somebody types may come to stand
in either, so neither lets it begin a line of its own.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import Any

from celery import current_task
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from kit import origin

LONGEST = 50_000  # characters of one value; a line is for reading
SECRET = "[secret]"
SHORTEST = 6  # characters of a secret that is struck out wherever it stands; a shorter one would strike out words

# Each is bounded, so that a long text of the wrong kind costs no more than its length.
CREDENTIALS = re.compile(r"\b(\w{1,20}://[^\s:/@]{0,100}):[^\s@/]{1,200}@")
ADDRESS = re.compile(r"[^\s@<>\"'(),:;=\\\[\]]{1,64}@((?:[\w-]{1,63}\.){1,10}[^\W\d_]{2,63})")
NAMED = re.compile(
    r"(?i)\b(pass(?:word|wd)?|secret|token|api[_-]?key|authorization|cookie|sessionid|csrftoken)\b"
    r"([\"']?\s{0,3}[:=]\s{0,3})(?:(?:bearer|basic)\s{1,3})?[\"']?[^\s\"',;&]{1,500}"
)
BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,3}[\w.~+/=-]{8,500}")
# Signed links and keys: long, and of capitals, small letters and digits.
TOKEN = re.compile(r"(?<![\w-])(?=[\w-]{0,200}\d)(?=[\w-]{0,200}[A-Z])(?=[\w-]{0,200}[a-z])[\w-]{40,500}")

# What other libraries hang on their records: whole requests with their addresses, arguments of tasks.
NOT_TOLD = ("request", "data", "server_time", "status_code", "color_message")


class Origin(logging.Filter):
    """Adds to each record the request, the job and the task that it goes back to."""

    def filter(self, record: logging.LogRecord) -> bool:
        told: dict[str, Any] = {
            "request_id": origin.request_id(),
            "job_id": origin.job_id(),
            "task": current_task.name if current_task else "",
        }
        record.__dict__.update({name: value for name, value in told.items() if value})
        return True


class Discretion:
    """Strikes out secrets and the addresses of people."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted({each for each in secrets if len(each) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """The text as it may be kept."""
        text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
        if self._known:
            text = self._known.sub(SECRET, text)
        text = CREDENTIALS.sub(rf"\1:{SECRET}@", text)
        text = NAMED.sub(rf"\1\2{SECRET}", text)
        text = BEARER.sub(rf"\1 {SECRET}", text)
        text = TOKEN.sub(SECRET, text)
        return ADDRESS.sub(r"…@\1", text)

    def value(self, value: Any) -> Any:
        """A value of a JSON object, and all that is in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {str(key): self._entry(str(key), each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))

    def _entry(self, key: str, value: Any) -> Any:
        named = isinstance(value, str) and NAMED.fullmatch(f"{key}=x")
        return SECRET if named else self.value(value)


class Lines(logging.Formatter):
    """A record as a line to read, with its ids at the end; a traceback follows it, indented."""

    def __init__(self, *, secrets: Collection[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._discretion = Discretion(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return self._discretion.text(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        ids = {"request": "request_id", "job": "job_id", "task": "task"}
        told = [f"{word}={getattr(record, name)}" for word, name in ids.items() if getattr(record, name, None)]
        line = "".join(each if each.isprintable() else repr(each)[1:-1] for each in super().formatMessage(record))
        return f"{line} [{' '.join(told)}]" if told else line

    def formatException(self, ei: Any) -> str:
        # Whatever a reader of lines may take for the end of one begins an indented one.
        return "\n".join(f"  {line}" for line in super().formatException(ei).splitlines())


class Json(JsonFormatter):
    """A record as one JSON object on one line, in ASCII."""

    def __init__(self, *, secrets: Collection[str] = ()) -> None:
        super().__init__(
            ["levelname", "name", "message", "process"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            reserved_attrs=[*RESERVED_ATTRS, *NOT_TOLD],
            timestamp="time",
        )
        self._discretion = Discretion(secrets)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        at = log_data.pop("time")
        return {"time": at.isoformat(timespec="milliseconds"), **self._discretion.value(log_data)}
