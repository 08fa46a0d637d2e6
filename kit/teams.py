"""Teams of users: made, called otherwise, and removed once nobody is in them."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from kit import audit
from kit.models import Team, User

NAMED = 5  # of those who are in the way of a removal


class Refused(ValueError):
    """It cannot be done so; the message says why, in the user's words."""


def create(name: str, *, by: User | None, now: datetime) -> Team:
    """A new team. Raises Refused when one is called so, in whatever capitals."""
    try:
        with transaction.atomic():
            _must_be_free(name)
            team = Team.objects.create(name=name)
            audit.record("team.create", name, by=by, now=now)
    except IntegrityError:
        raise _taken(name) from None
    return team


def rename(team: Team, name: str, *, by: User | None, now: datetime) -> bool:
    """Call it otherwise. False when it is called so. Raises Refused when another one is."""
    try:
        with transaction.atomic():
            held = Team.objects.select_for_update().get(pk=team.pk)
            if held.name == name:
                return False
            _must_be_free(name, but=team.pk)
            Team.objects.filter(pk=team.pk).update(name=name)
            audit.record("team.rename", name, by=by, now=now, before={"name": held.name}, after={"name": name})
    except IntegrityError:
        raise _taken(name) from None
    return True


def remove(team: Team, *, by: User | None, now: datetime) -> None:
    """Remove a team that nobody is in. Raises Refused with the names of those who are."""
    try:
        with transaction.atomic():
            inside = list(User.objects.filter(team=team).order_by("name", "email")[: NAMED + 1])
            if inside:
                names = ", ".join(str(each) for each in inside[:NAMED]) + (" …" if len(inside) > NAMED else "")
                raise Refused(_("%(names)s are in it. Give them another team first.") % {"names": names})
            Team.objects.filter(pk=team.pk).delete()
            audit.record("team.remove", team.name, by=by, now=now, before={"name": team.name})
    except IntegrityError:  # somebody came in at the same moment
        raise Refused(_("Somebody was given this team just now.")) from None


def _must_be_free(name: str, but: int | None = None) -> None:
    if Team.objects.filter(~Q(pk=but), name__iexact=name).exists():
        raise _taken(name)


def _taken(name: str) -> Refused:
    return Refused(_("A team is called “%(name)s” already.") % {"name": name})
