"""Signed texts for addresses, cookies and hidden fields: made for one purpose, good for a time, kept nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing

SOONER = timedelta(minutes=1)  # clocks of two machines may disagree by so much


def made(kind: str, value: Any, *, now: datetime) -> str:
    """A token of one `kind`, worth nothing for another; `value` is what JSON can hold."""
    return _signer(kind).sign_object([value, int(now.timestamp())])


def read(kind: str, text: str, *, lasts: timedelta, now: datetime) -> Any:
    """The value of a token that was made here for this, not longer ago than it lasts; None for anything else."""
    told = _opened(kind, text)
    if told is None:
        return None
    value, at = told
    return value if -SOONER <= now - datetime.fromtimestamp(at, UTC) <= lasts else None


def age(kind: str, text: str, *, now: datetime) -> timedelta | None:
    """How long ago it was made; None when it was not made here."""
    told = _opened(kind, text)
    return None if told is None else now - datetime.fromtimestamp(told[1], UTC)


def _opened(kind: str, text: str) -> tuple[Any, int] | None:
    try:
        value, at = _signer(kind).unsign_object(text)
    except (signing.BadSignature, ValueError):
        return None
    return value, at


def _signer(kind: str) -> signing.Signer:
    return signing.Signer(salt=f"kit.tokens.{kind}")
