"""Which users something can be given to."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from kit.models import User


def to_choose(present: int | None = None) -> QuerySet[User]:
    """Users who can sign in, and whoever has it now."""
    return User.objects.filter(Q(is_active=True) | Q(pk=present)).order_by("name", "email")
