"""Telling somebody what happened by itself: a notice is a row, and whoever delivers it finds it."""

from __future__ import annotations

from datetime import datetime

from kit.models import Notice, User


def tell(user: User | None, kind: str, title: str, body: str = "", *, link: str = "", now: datetime) -> int:
    """A notice to a user; to every administrator when that is nobody, or somebody whose access is closed. How many."""
    to = [user] if user is not None and user.is_active else User.objects.filter(role=User.Role.ADMIN, is_active=True)
    made = [Notice(user=each, kind=kind, title=title[:300], body=body, link=link[:300], created_at=now) for each in to]
    return len(Notice.objects.bulk_create(made))
