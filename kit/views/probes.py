"""What machines ask: does the process live, may it be given requests, what are its figures.

They are answered before anything else, because whoever asks knows the machine and not the site: by its address, over
plain http, without a session. They say nothing that a stranger may not know; figures are for those with the token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from kit import metrics, queues, reading
from kit.sql import Sql, rows

PATIENCE = 2.0  # seconds for the database
LOOPBACK = frozenset({"127.0.0.1", "::1"})
# Whoever passes a request on says so by one of these, and then the address is the proxy's own.
PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


def answered_first(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Middleware: the addresses of machines, whatever host they name."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        probe = PROBES.get(request.path_info)
        if probe is None:
            return get_response(request)
        response = probe(request) if request.method in ("GET", "HEAD") else HttpResponse(status=405)
        response.headers["Cache-Control"] = "no-store"
        return response

    return answer


def lives(_request: HttpRequest) -> HttpResponse:
    """The process answers. Nothing else is asked, so that a database that is away has no process killed for it."""
    return JsonResponse({"alive": True})


def is_ready(_request: HttpRequest) -> HttpResponse:
    """Whether requests can be served: the database answers, and is the one that this version expects.

    The broker is told but not required: its messages are only hints.
    """
    told = readiness()
    return JsonResponse(told, status=200 if told["ready"] else 503)


def readiness() -> dict[str, Any]:
    """What stands in the way, in words that tell a stranger nothing."""
    reasons = []
    missing = _missing()
    if missing is None:
        reasons.append("the database does not answer")
    elif missing:
        reasons.append("the database is being prepared, or still is to be: migrations are missing")
    broker = "answers" if queues.depths() is not None else "does not answer; work waits for sweeps"
    return {"ready": not reasons, "reasons": reasons, "broker": broker}


def figures(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for whoever shows the token or sits on this machine."""
    if not _may_read(request):
        return HttpResponse(
            "The token is missing or wrong.\n", "text/plain", 401, headers={"WWW-Authenticate": "Bearer"}
        )
    return HttpResponse(metrics.text(timezone.now()), metrics.CONTENT_TYPE)


def _may_read(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    if token and constant_time_compare(request.headers.get("Authorization", ""), f"Bearer {token}"):
        return True
    passed_on = settings.TRUSTED_PROXIES or any(header in request.headers for header in PASSED_ON)
    return request.META.get("REMOTE_ADDR") in LOOPBACK and not passed_on


def _missing() -> int | None:
    """How many migrations of this version are not applied; None when the database does not answer."""
    try:
        with reading.only(PATIENCE):
            if not rows(Sql("SELECT FROM pg_tables WHERE tablename = 'django_migrations'")):
                return len(_expected())
            return len(_expected() - set(rows(Sql("SELECT app, name FROM django_migrations"))))
    except (DatabaseError, reading.TooSlow):
        return None


@cache
def _expected() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": lives,
    "/readyz": is_ready,
    "/metrics": figures,
}
