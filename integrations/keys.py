"""Keys of the REST API: shown once, kept as a digest, revoked at once."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.models import ApiKey
from kit import audit, rights
from kit.api.access import READ, SCOPES, WRITE, permits
from kit.models import User

MARK = "per"  # secrets begin with it, so that scanners of leaked secrets can know them
SHAPE = re.compile(rf"{MARK}_([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
USED_TO_THE = timedelta(minutes=1)  # when it was last used is noted no finer


class Refused(ValueError):
    """A key that cannot be made; the message says why."""


def all_scopes() -> list[str]:
    """Every scope that a key can have."""
    return [f"{scope}:{way}" for scope in SCOPES for way in (READ, WRITE)]


@transaction.atomic
def make(
    name: str, scopes: Sequence[str], *, user: User, by: User | None, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is told this once. Raises Refused."""
    name = name.strip()
    if not 0 < len(name) <= 60 or not name.isprintable():
        raise Refused(_("A key has a name of 1 to 60 characters."))
    if unknown := sorted(set(scopes) - set(all_scopes())):
        told = {"unknown": ", ".join(unknown), "known": ", ".join(all_scopes())}
        raise Refused(_("There is no scope %(unknown)s. There are: %(known)s.") % told)
    if not scopes:
        raise Refused(_("Say what the key is for."))
    if expires_at is not None and expires_at <= now:
        raise Refused(_("The key would have expired already."))
    prefix = secrets.token_hex(6)
    secret = f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        name=name, prefix=prefix, digest=_digest(secret), scopes=sorted(set(scopes)), user=user,
        generation=User.objects.values_list("generation", flat=True).get(pk=user.pk), created_by=by, created_at=now,
        expires_at=expires_at,
    )  # fmt: skip
    after = {"prefix": prefix, "scopes": key.scopes, "user": user.email}
    audit.record("key.make", name, by=by, now=now, after=after)
    return key, secret


def find(secret: str) -> ApiKey | None:
    """The key of a secret, if it may be used now. Notes, to the minute, that it was."""
    if not SHAPE.fullmatch(secret):
        return None
    now = timezone.now()
    in_time = Q(expires_at=None) | Q(expires_at__gt=now)
    valid = ApiKey.objects.filter(in_time, revoked_at=None, user__is_active=True, generation=F("user__generation"))
    key = valid.select_related("user").filter(digest=_digest(secret)).first()
    if key is not None and (key.last_used_at is None or key.last_used_at < now - USED_TO_THE):
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_TO_THE)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return key


@transaction.atomic
def revoke(key: ApiKey, *, by: User | None, now: datetime) -> bool:
    """The next request with it is refused. False when it was revoked before."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        return False
    audit.record("key.revoke", key.name, by=by, now=now, before={"prefix": key.prefix})
    return True


# ---- how keys are shown ----


def seen_by(user: User) -> QuerySet[ApiKey]:
    """The keys that act as this user; every key for administrators."""
    keys = ApiKey.objects.select_related("user", "created_by")
    return keys if rights.may(user, "administer") else keys.filter(user=user)


def state(key: ApiKey, now: datetime) -> str:
    """ "live", or why it is refused: "revoked", "expired", "ended" (with its user's access, password or role)."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    return "live" if key.user.is_active and key.generation == key.user.generation else "ended"


def told_scopes(key: ApiKey) -> str:
    """What a key is for, in words: “writes people and accounts; reads scores and their entries”."""
    written = [scope for scope in SCOPES if permits(key.scopes, scope, WRITE)]
    read = [scope for scope in SCOPES if permits(key.scopes, scope, READ) and scope not in written]
    told = [(_("writes %(what)s"), written), (_("reads %(what)s"), read)]
    return "; ".join(verb % {"what": _words(scopes)} for verb, scopes in told if scopes)


def _words(scopes: Sequence[str]) -> str:
    return _("everything") if len(scopes) == len(SCOPES) else ", ".join(str(SCOPES[scope]) for scope in scopes)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
