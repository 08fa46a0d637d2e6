"""Times are shown in the reader's own zone, or in the installation's where the reader has chosen none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from kit import installation
from kit.models import User


def shown_in_the_readers_zone(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: the answer, a streamed one too, is written in the zone of who asked."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        zone = _zone_of(request)
        with timezone.override(zone):
            response = get_response(request)
        if response.streaming:
            response.streaming_content = _within(zone, response.streaming_content)  # type: ignore[attr-defined]
        return response

    return middleware


def known(name: str) -> ZoneInfo | None:
    """The zone of this name, or None when there is no such zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, or no name of a zone at all (a path, a folder)
        return None


def of(user: User) -> ZoneInfo:
    """The zone that a user has chosen, or the installation's."""
    return (known(user.zone) if user.zone else None) or installation.zone()


def _zone_of(request: HttpRequest) -> ZoneInfo | None:
    """None, which is UTC, for visitors: a page of theirs that shows a time says whose, and most need not ask."""
    return of(request.user) if isinstance(request.user, User) else None


def _within(zone: ZoneInfo | None, parts: Iterable[bytes]) -> Iterator[bytes]:
    with timezone.override(zone):
        yield from parts
