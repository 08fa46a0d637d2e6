"""Remarks of users about subjects: written, changed by their author, removed and taken back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from kit import audit, forms, rights
from kit.models import Note, User

SHOWN = 5  # the newest; the rest opens
MOST = 200  # that a page holds
KEPT = timedelta(days=30)  # for which a removed note can be taken back


def of(subject_id: int) -> QuerySet[Note]:
    """The notes about a subject, the newest first."""
    found = Note.objects.filter(subject_id=subject_id, removed_at=None).select_related("author")
    return found.order_by("-created_at", "-pk")


def add(subject_id: int, body: str, *, by: User | None, now: datetime) -> Note:
    """Write a note about a subject."""
    note = Note.objects.create(subject_id=subject_id, body=body, author=by, created_at=now)
    _audit("note.add", note, by, now)
    return note


def change(note: Note, body: str, *, by: User | None, now: datetime) -> bool:
    """Put other words in place of a note's. True when they were other words."""
    changed = Note.objects.filter(pk=note.pk, removed_at=None).exclude(body=body).update(body=body, edited_at=now)
    if changed:
        _audit("note.change", note, by, now)
    return bool(changed)


def remove(note: Note, *, by: User | None, now: datetime) -> bool:
    """Take a note off its page; it can be taken back for a while. False when it was gone already."""
    gone = Note.objects.filter(pk=note.pk, removed_at=None).update(removed_at=now)
    if gone:
        _audit("note.remove", note, by, now)
    return bool(gone)


def restore(note: Note, *, by: User | None, now: datetime) -> bool:
    """Put a removed note back. False when it is there."""
    back = Note.objects.filter(pk=note.pk, removed_at__isnull=False).update(removed_at=None)
    if back:
        _audit("note.restore", note, by, now)
    return bool(back)


def forget(before: datetime) -> int:
    """Delete for good what was removed before an instant; how many."""
    return Note.objects.filter(removed_at__lt=before).delete()[0]


def may_change(note: Note, user: Any) -> bool:
    """Its author changes and removes a note; an administrator removes any."""
    return note.author_id == user.pk and rights.may(user, "note")


def may_remove(note: Note, user: Any) -> bool:
    """Who may take a note off its page, and put it back."""
    return may_change(note, user) or rights.may(user, "administer")


def panel(subject: Any, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """The panel of a profile: what was written about the subject, and room to write."""
    found = list(of(subject.pk)[: MOST + 1])
    for note in found:
        note.may_change = may_change(note, request.user)  # type: ignore[attr-defined]
        note.may_remove = may_remove(note, request.user)  # type: ignore[attr-defined]
    return {
        "subject": subject,
        "notes": found[:SHOWN],
        "older_notes": found[SHOWN:MOST],
        "most_notes": MOST if len(found) > MOST else 0,
        "form": forms.Note(auto_id="note-%s"),
        "may_note": rights.may(request.user, "note"),
    }


def _audit(action: str, note: Note, by: User | None, now: datetime) -> None:
    """The trail names the note and its subject; the words stand in the note alone, where erasure finds them."""
    audit.record(action, f"note {note.pk}", by=by, now=now, after={"note": note.pk, "subject": note.subject_id})
