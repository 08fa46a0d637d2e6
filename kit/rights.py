"""What a role may do. Whoever is signed in may look; everything that changes something names the right it needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from kit.models import User

Role = User.Role
RIGHTS: dict[str, frozenset[str]] = {
    "note": frozenset({Role.ADMIN, Role.MARKETER, Role.SALES, Role.OPS}),  # notes, tasks, tags, what happened
    "people": frozenset({Role.ADMIN, Role.MARKETER, Role.SALES, Role.OPS}),  # people, accounts and deals by hand
    "move": frozenset({Role.ADMIN, Role.MARKETER, Role.SALES, Role.OPS}),  # people between stages
    "merge": frozenset({Role.ADMIN, Role.MARKETER, Role.SALES, Role.OPS}),  # two people or accounts into one, and back
    "edit": frozenset({Role.ADMIN, Role.MARKETER, Role.OPS}),  # data and models: imports, lifecycles, own domains
    "operate": frozenset({Role.ADMIN, Role.OPS, Role.MARKETER}),  # long work: cancel, try again, check
    "export": frozenset({Role.ADMIN, Role.MARKETER, Role.OPS, Role.ANALYST}),  # lists as files; see User.may_export
    "erase": frozenset({Role.ADMIN, Role.OPS}),  # what is known of a person, for good
    "keys": frozenset({Role.ADMIN, Role.MARKETER, Role.OPS, Role.ANALYST}),  # keys of the API that act as oneself
    "administer": frozenset({Role.ADMIN}),  # the installation
}
WORDS = {
    "note": gettext_lazy("Write notes and tasks, tag, record what happened"),
    "people": gettext_lazy("Create and change people, accounts and deals"),
    "move": gettext_lazy("Move people between stages"),
    "merge": gettext_lazy("Merge two people or accounts into one, and part them again"),
    "edit": gettext_lazy("Import, and change segments, scores, lifecycles, content and campaigns"),
    "operate": gettext_lazy("Cancel and retry long work, pause and resume sending"),
    "export": gettext_lazy("Take lists and reports away as files"),
    "erase": gettext_lazy("Erase all that is known of a person, for good"),
    "keys": gettext_lazy("Make keys by which programs ask as oneself"),
    "administer": gettext_lazy("Invite users, change roles and settings, read the audit"),
}


def may(user: Any, right: str) -> bool:
    """Whether a user has a right. Raises KeyError for a right that does not exist."""
    roles = RIGHTS[right]
    if not isinstance(user, User) or not user.is_active:
        return False
    told = user.may_export if right == "export" else None
    return user.role in roles if told is None else told


def needs(right: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view that only those with the right may open; the others get a page that says so."""
    RIGHTS[right]

    def guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not may(request.user, right):
                raise PermissionDenied(_("Your role may look, but not change this. An administrator can change that."))
            return view(request, *args, **kwargs)

        return checked

    return guarded
