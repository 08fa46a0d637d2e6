"""The trail of who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from kit.models import AuditEntry, User


def actor_of(user: User | None) -> str:
    """How a user is named in ledgers; "system" when nobody asked."""
    return user.email if user else "system"


def asker(request: HttpRequest) -> User | None:
    """The signed-in user of a request, to be handed down as `by`."""
    return request.user if isinstance(request.user, User) else None


def record(
    action: str, target: str, *, by: User | None, now: datetime, before: dict[str, Any] | None = None, after: Any = None
) -> AuditEntry:
    """Write one entry: `action` is a verb such as "lifecycle.publish", `target` names the thing in words."""
    return AuditEntry.objects.create(
        at=now, user=by, actor=actor_of(by), action=action, target=target[:300], before=before, after=after
    )
