"""Taking back what was just done: a message with a button, which sends a form and so needs no script."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

MARK = "undo:"  # in a message's tags, before the address that takes it back
MORE = "more:"  # before the address of a page that tells it at length


def offer(request: HttpRequest, told: str, url: str, *, more: str = "") -> None:
    """Say what was done, with a button that POSTs to `url` to take it back, and a link to `more` of it."""
    messages.success(request, told, extra_tags=MARK + url + (f" {MORE}{more}" if more else ""))


def address(tags: str) -> str:
    """The address in a message's tags; "" when there is nothing to take back."""
    return _behind(MARK, tags)


def more(tags: str) -> str:
    """The address of more in a message's tags; "" when there is none."""
    return _behind(MORE, tags)


def _behind(mark: str, tags: str) -> str:
    return next((tag.removeprefix(mark) for tag in tags.split() if tag.startswith(mark)), "")
