"""A POST with an Idempotency-Key is done once, however often it is sent: its answer is kept beside its effects.

The claim is a row of its own transaction; the work and its answer are one transaction, which only who holds the claim
can commit. So a request that was cut off leaves nothing, and may be sent again after a minute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from kit import secrets
from kit.api import files
from kit.api.problems import Problem
from kit.models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEPT_HEADERS = ("ETag", "Location")
LONGEST = 200
LEASE = timedelta(seconds=150)  # no request lives longer than that (gunicorn's time-out is two minutes)
KEPT = timedelta(days=2)

Handler = Callable[..., Response]


def sealed(response: Response) -> Response:
    """The same answer; because there is a secret in it, it is kept encrypted."""
    response.is_sealed = True  # type: ignore[attr-defined]
    return response


def once(handler: Handler, request: Request, now: datetime) -> Handler:
    """The handler, done at most once for the request's key; the handler itself when it has none. Raises Problem."""
    key = request.headers.get(HEADER)
    if key is None:
        return handler
    if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
        said = _("%(header)s has 1 to %(longest)s printable ASCII characters.")
        raise Problem(
            400, "bad_idempotency_key", said % {"header": HEADER, "longest": LONGEST}, field=HEADER, limit=LONGEST
        )

    def done_once(request: Request, *args: Any, **kwargs: Any) -> Response:
        claim = _claim(str(request.user.pk), key, fingerprint(request), now)
        if isinstance(claim, Response):
            return claim
        try:
            with transaction.atomic():
                response = handler(request, *args, **kwargs)
                if response.status_code >= 400:
                    transaction.set_rollback(True)
                else:
                    _keep(claim, response)
        finally:
            # Still without an answer: nothing was done, so that the key may be used again.
            IdempotencyKey.objects.filter(pk=claim.pk, created_at=claim.created_at, status=None).delete()
        return response

    return done_once


def fingerprint(request: Request) -> str:
    """What was asked: method, address and body. Files are read in chunks from where their upload was laid down."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()} ".encode())
    if files.are_in(request):
        # Not the raw body: the marks between its parts are new each time.
        told: Any = request.data
        for name in sorted(told):
            for each in told.getlist(name) if isinstance(told, QueryDict) else [told[name]]:
                _take(digest, name, each)
    else:
        digest.update(request._request.body)
    return digest.hexdigest()


def _take(digest: Any, name: str, value: Any) -> None:
    if not isinstance(value, UploadedFile):
        digest.update(json.dumps([name, value]).encode())
        return
    digest.update(json.dumps([name, value.size]).encode())
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)


def forget(before: datetime) -> int:
    """Drop the keys from before an instant."""
    return IdempotencyKey.objects.filter(created_at__lt=before).delete()[0]


def _claim(caller: str, key: str, asked: str, now: datetime) -> IdempotencyKey | Response:
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(caller=caller, key=key, fingerprint=asked, created_at=now)
    except IntegrityError:
        pass
    held = IdempotencyKey.objects.filter(caller=caller, key=key).first()
    if held is None:  # let go a moment ago
        raise _in_flight()
    if held.fingerprint != asked:
        said = _("This key was used for another request. Use a new one for each.")
        raise Problem(422, "idempotency_key_reused", said, field=HEADER)
    if held.status is not None and held.answer is not None:
        text, headers = held.answer["body"], held.answer["headers"]
        body = json.loads(secrets.opened(text) if held.answer.get("is_sealed") else text)
        return Response(body, status=held.status, headers={**headers, REPLAYED: "true"})
    dead = IdempotencyKey.objects.filter(pk=held.pk, status=None, created_at__lt=now - LEASE)
    if not dead.update(created_at=now):
        raise _in_flight()
    held.created_at = now
    return held


def _keep(claim: IdempotencyKey, response: Response) -> None:
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    # As text: jsonb would put its members in another order.
    text, is_sealed = json.dumps(response.data, cls=JSONEncoder), bool(getattr(response, "is_sealed", False))
    answer = {"body": secrets.seal(text) if is_sealed else text, "headers": headers, "is_sealed": is_sealed}
    mine = IdempotencyKey.objects.filter(pk=claim.pk, created_at=claim.created_at, status=None)
    if not mine.update(status=response.status_code, answer=answer):
        raise _in_flight()  # somebody took the claim over while we were slow: theirs counts


def _in_flight() -> Problem:
    said = _("The first request with this key is still being worked on. Ask again in a moment.")
    return Problem(409, "still_in_flight", said, field=HEADER, headers={"Retry-After": "2"})
