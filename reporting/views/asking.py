"""What the pages of reports have in common: the lifecycle and time span that are asked for, and the form that asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from audience.models import Pipeline
from kit import pages, past, writing
from lifecycle.models import Lifecycle
from reporting import splits, windows
from reporting.addresses import Asked
from reporting.figures.sheet import Choice, Sheet
from reporting.questions import Question
from reporting.windows import Window


def lifecycle_choice(lifecycles: list[Lifecycle], chosen: Lifecycle) -> Choice:
    """Which lifecycle."""
    return Choice("lifecycle", _("Lifecycle"), [(each.slug, each.name) for each in lifecycles], chosen.slug)


def pipeline_choice(chosen: Pipeline | None) -> list[Choice]:
    """Deals of which pipeline, where there are several."""
    there = [(str(each.pk), each.name) for each in Pipeline.objects.all()]
    if len(there) < 2:
        return []
    return [Choice("pipeline", _("Pipeline"), [("", _("all")), *there], str(chosen.pk) if chosen else "")]


def split_choice(question: Question) -> Choice:
    """By which field everybody is parted."""
    offered = [(split.name, split.label) for split in splits.offered(question.plan.lifecycle.of)]
    chosen = question.split.name if question.split else ""
    return Choice("split", _("Split by"), [("", _("nothing")), *offered], chosen)


def past_of(request: HttpRequest, asked: Asked, now: datetime) -> past.Wish:
    """The control that asks for a past day, back to the first move of the lifecycle."""
    return replace(past.wish(request, now, asked.first), note="")  # the address has said it


def known_words(question: Question) -> list[str]:
    """What to bear in mind when the figures are not those known now."""
    if question.known is None or question.past is not None:  # of a past day tells the banner
        return []
    words = _(
        "As known when %(day)s began: moves that were written later are in none of these figures, and history that was "
        "brought in or replayed later is not in at all."
    )
    return [words % {"day": writing.day(question.known)}]


def form(
    name: str,
    preset: str,
    window: Window,
    before: list[Choice],
    after: list[Choice],
    export: str,
    past: past.Wish | None = None,
) -> dict[str, Any]:
    """The variables of the form of a page: choices before and after the time span."""
    return {
        "ask": {
            "url": reverse(name),
            "before": before,
            "after": after,
            "windows": windows.Preset.choices,
            "preset": preset,
            "window": window,
            "export": export,
        },
        "past": past,
    }


def nothing_yet(request: HttpRequest, words: dict[str, str], icon: str, why: str, way_out: str) -> HttpResponseBase:
    """A report that has nothing to report from: why, and what to do about it."""
    told = {"icon": icon, "why": why, "way_out": way_out}
    return render(request, "reporting/nothing_yet.html", words | told)


def no_lifecycle(request: HttpRequest, words: dict[str, str], icon: str) -> HttpResponseBase:
    """The same where the lifecycle is missing."""
    why = _("No lifecycle is published yet")
    way_out = _("Publish a playbook: your history is replayed through it, and reports reach back as far as your data.")
    return nothing_yet(request, words, icon, why, way_out)


def report(request: HttpRequest, sheet: Sheet, context: dict[str, Any]) -> HttpResponseBase:
    """The page of a sheet, or its part for htmx."""
    return pages.part(request, "report", "reporting/_report.html", "reporting/report.html", {**context, "sheet": sheet})
