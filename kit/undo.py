"""Taking back what was just done: a message with a button, which sends a form and so needs no script."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest

MARK = "undo:"  # in a message's tags, before the address that takes it back


def offer(request: HttpRequest, told: str, url: str) -> None:
    """Say what was done, with a button that POSTs to `url` to take it back."""
    messages.success(request, told, extra_tags=MARK + url)


def address(tags: str) -> str:
    """The address in a message's tags; "" when there is nothing to take back."""
    return next((tag.removeprefix(MARK) for tag in tags.split() if tag.startswith(MARK)), "")
