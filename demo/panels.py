"""What the demo company shows on the home page: that it can be had, and how far it is while it is being loaded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from audience.models import Person
from demo import loading
from demo.company import WITH_PASSWORD
from kit import jobs, progress, rights
from kit.models import Job, User


def first_step(_subject: None, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """The offer, to whoever may take it: as long as nobody is known and nobody has asked."""
    if not rights.may(request.user, "edit") or loading.last() is not None or Person.objects.exists():
        return None
    return {}


def under_way(_subject: None, _request: HttpRequest, now: datetime) -> dict[str, Any] | None:
    """The loading while it goes on, or has stopped before its end."""
    job = loading.last()
    if job is None or job.state == Job.State.DONE:
        return None
    return {"job": job, "progress": progress.of(job, now), "is_open": job.state in jobs.OPEN}


def as_sales(_subject: None, request: HttpRequest, _now: datetime) -> dict[str, Any] | None:
    """By whom else the company can be looked at: its salespeople who sign in by the reader's own password."""
    if not isinstance(request.user, User) or request.user.role == User.Role.SALES:
        return None
    same = User.objects.filter(email__in=WITH_PASSWORD, is_active=True, password=request.user.password)
    found = list(same.select_related("team").order_by("team__name"))
    return {"salespeople": found} if found else None
