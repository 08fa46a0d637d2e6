"""Who asks, by which key, and what that key may do: never more than its user may."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from kit import audit, rights
from kit.api.problems import Problem
from kit.models import User

READ, WRITE = "read", "write"
SCHEME = "Bearer"

# What keys can be for: each may be read, or read and written (which holds reading).
SCOPES: dict[str, str | Promise] = {
    "people": gettext_lazy("people and accounts"),
    "activities": gettext_lazy("what people did"),
    "forms": gettext_lazy("forms and what was sent"),
    "deals": gettext_lazy("deals, products, purchases, contracts"),
    "segments": gettext_lazy("segments and who is in them"),
    "lifecycles": gettext_lazy("lifecycles, memberships and their movements"),
    "scores": gettext_lazy("scores and their entries"),
    "campaigns": gettext_lazy("campaigns, who goes through them, messages"),
    "reports": gettext_lazy("funnels and the people behind a figure"),
    "imports": gettext_lazy("files brought in, and jobs"),
    "webhooks": gettext_lazy("webhooks and what they were told"),
}


class Key(Protocol):
    """A key: what it is called, whose it is, what it is for."""

    @property
    def name(self) -> str: ...

    @property
    def user(self) -> User: ...

    @property
    def scopes(self) -> Sequence[str]: ...


Find = Callable[[str], Key | None]
_finders: list[Find] = []


def known_by(find: Find) -> None:
    """Register what tells the key of a secret; one app does, in `AppConfig.ready`."""
    _finders[:] = [find]


class Keys(BaseAuthentication):
    """`Authorization: Bearer KEY`. A key that is unknown, revoked, expired, or whose user may not sign in: 401."""

    def authenticate(self, request: Request) -> tuple[User, Key] | None:
        scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        key = next((key for find in _finders if (key := find(secret.strip()))), None)
        if key is None:
            raise AuthenticationFailed(_("This key is not known, was revoked, or has expired."))
        audit.through(key.name)
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return f'{SCHEME} realm="Perennial"'


class Known(BasePermission):
    """Whoever has a key; the view itself asks for the scopes (`require`)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User)


class Allowed(BasePermission):
    """The key's scope for the resource; to change something, also the right of the key's user.

    A view says `scope`, and `right` or, for single actions, `rights`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            return False
        way = READ if request.method in SAFE_METHODS or getattr(view, "action", "") in view.reading else WRITE
        require(request, view.scope, way)
        right = view.rights.get(view.action, view.right)
        if way == WRITE and not rights.may(request.user, right):
            said = _("The role of %(who)s, whose key this is, may not do this.") % {"who": request.user.email}
            raise Problem(403, "role_may_not", said)
        return True


def require(request: Request, scope: str, way: str) -> None:
    """Raises Problem when the key is not for this."""
    key: Any = request.auth
    if not permits(key.scopes, scope, way):
        wanted = f"{scope}:{way}"
        said = _("This key is not for %(scope)s.") % {"scope": wanted}
        raise Problem(403, "scope_missing", said, scope=wanted)


def permits(scopes: Sequence[str], scope: str, way: str) -> bool:
    """Whether scopes such as `people:write` hold this one."""
    return f"{scope}:{WRITE}" in scopes or (way == READ and f"{scope}:{READ}" in scopes)
