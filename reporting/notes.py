"""Chart notes: what happened on a day, said beside the figures of every report whose window holds it."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.db.models import QuerySet

from kit import audit
from kit.models import User
from reporting.models import ChartNote
from reporting.windows import Window


def within(window: Window) -> QuerySet[ChartNote]:
    """The notes of a window, the earliest first."""
    return ChartNote.objects.filter(day__gte=window.start, day__lt=window.end).order_by("day", "pk")


def add(day: date, text: str, *, by: User | None, now: datetime) -> ChartNote:
    """Keep a new note."""
    with transaction.atomic():
        note = ChartNote.objects.create(day=day, text=text, created_by=by, created_at=now)
        audit.record(
            "chart_note.add", str(note), by=by, now=now, after={"day": note.day.isoformat(), "text": note.text}
        )
    return note


def remove(note: ChartNote, *, by: User | None, now: datetime) -> None:
    """Take a note away."""
    with transaction.atomic():
        audit.record(
            "chart_note.remove", str(note), by=by, now=now, before={"day": note.day.isoformat(), "text": note.text}
        )
        note.delete()
