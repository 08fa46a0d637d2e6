"""Drawing the parts that other apps contribute to a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from kit import registry


@dataclass(frozen=True)
class Drawn:
    """One contributed part, ready to be put into the page."""

    title: Any
    html: SafeString


def draw(place: str, subject: Any, request: HttpRequest, now: datetime) -> list[Drawn]:
    """The panels registered for `place` that have something to show of `subject`, in their order."""
    drawn = []
    for panel in registry.panels(place):
        context = panel.context(subject, request, now)
        if context is not None:
            html = render_to_string(panel.template, {"panel_title": panel.title, **context}, request)
            drawn.append(Drawn(panel.title, html))
    return drawn
