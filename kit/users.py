"""Which users there are: whom something can be given to, and how far their access is."""

from __future__ import annotations

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Q, QuerySet

from kit.models import User

ACTIVE, INVITED, CLOSED = "active", "invited", "closed"


def to_choose(present: int | None = None) -> QuerySet[User]:
    """Users who can sign in, and whoever has it now."""
    return User.objects.filter(Q(is_active=True) | Q(pk=present)).order_by("name", "email")


def state(user: User) -> str:
    """ACTIVE, INVITED (no password was chosen yet) or CLOSED."""
    if not user.is_active:
        return CLOSED
    return ACTIVE if user.has_usable_password() else INVITED


def so_far(rows: QuerySet[User], told: str) -> QuerySet[User]:
    """The users in a state, as `state` has it; all of them for any other word."""
    without = Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    wanted = {ACTIVE: Q(is_active=True) & ~without, INVITED: Q(is_active=True) & without, CLOSED: Q(is_active=False)}
    return rows.filter(wanted.get(told, Q()))
