"""Who is what in an account: roles of the buying centre are given and ended here, and what is missing is told.

`Person.account` alone says which account is somebody's first; a role may be in any account. Whoever has no account yet
gets the one in which they get their first role, in the same transaction. Roles end and are never deleted; two clocks
tell from when to when a role was held, and when that was written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audience.models import Account, AccountRole, Person
from audience.subjects import people, sight
from audience.subjects.people import BadValue
from kit import audit, installation
from kit.models import User

MOST = 50  # kinds of roles
LONGEST = 100


@dataclass
class Seat:
    """One kind of role in an account: who holds it now, how many more hold it whom the reader does not see."""

    role: str
    needed: bool
    planned: bool
    held: list[AccountRole] = field(default_factory=list)
    hidden: int = 0

    @property
    def missing(self) -> bool:
        """Every account needs it, and nobody has it."""
        return self.needed and not self.held and not self.hidden


def kinds() -> list[dict[str, Any]]:
    """The roles of a buying centre in their order: `name`, and whether every account `needed` it."""
    return list(installation.get("buying_roles"))


def name_kinds(kinds: Sequence[Mapping[str, Any]], *, by: User | None, now: datetime) -> None:
    """Say which roles there are. Roles that people have already stay as they are. Raises BadValue."""
    told = [{"name": _role(each["name"]), "needed": bool(each["needed"])} for each in kinds]
    names = [str(each["name"]).lower() for each in told]
    if not 0 < len(names) <= MOST:
        raise BadValue("roles", _("Name between 1 and %(most)s roles.") % {"most": MOST})
    if len(set(names)) < len(names):
        raise BadValue("roles", _("Each role can stand there only once."))
    installation.change({"buying_roles": told}, by=by, now=now, action="buying_roles.change")


@transaction.atomic
def give(
    person: Person, account: Account, role: str, *, starts_on: date | None = None, source: str, by: User | None,
    now: datetime, today: date,
) -> AccountRole:  # fmt: skip
    """A role of a person in an account, held from a day on, or since nobody knows when. Raises BadValue."""
    role = _role(role)
    if starts_on and starts_on > today:
        raise BadValue("starts_on", _("A role is written down once it is held, and that day is still to come."))
    for model, pk in ((Account, account.pk), (Person, person.pk)):
        if not model.objects.select_for_update(no_key=True).filter(pk=pk, erased_at=None).exists():
            raise BadValue("person", _("One of the two is not there any more."))
    if AccountRole.objects.filter(person=person, account=account, role__iexact=role, ends_on=None).exists():
        raise BadValue("role", _("They have this role there already."), "already_there")
    person.refresh_from_db(fields=["account"])
    if person.account_id is None:
        people.change(person, {"account": account}, source=source, by=by, now=now)
    made = AccountRole.objects.create(
        person=person, account=account, role=role, starts_on=starts_on, source=source, recorded_at=now
    )
    after = {"person": person.pk, "account": account.pk, "role": role}
    audit.record("role.give", str(person), by=by, now=now, after=after)
    return made


@transaction.atomic
def end(role: AccountRole, *, ends_on: date, by: User | None, now: datetime, today: date) -> bool:
    """End a role on a day; False when it had ended. Raises BadValue for a day before it began, or still to come."""
    held = AccountRole.objects.select_for_update(no_key=True).get(pk=role.pk)
    if held.ends_on:
        return False
    if ends_on > today or (held.starts_on and ends_on < held.starts_on):
        raise BadValue("ends_on", _("That day is before the role began, or still to come."))
    held.ends_on, held.end_recorded_at = ends_on, now
    held.save(update_fields=["ends_on", "end_recorded_at"])
    after = {"person": held.person_id, "account": held.account_id, "role": held.role, "ends_on": ends_on.isoformat()}
    audit.record("role.end", str(held.person), by=by, now=now, after=after)
    return True


def buying_centre(account: Account, user: Any) -> list[Seat]:
    """Every role that the list names, then those that people have besides, with who holds each now."""
    seats = {each["name"].lower(): Seat(each["name"], each["needed"], True) for each in kinds()}
    held = AccountRole.objects.filter(account=account, ends_on=None, person__erased_at=None).exclude(role="")
    rows = list(held.select_related("person", "person__account").order_by("role", "starts_on", "pk"))
    seen = sight.sees(user, [row.person_id for row in rows])
    for row in rows:
        seat = seats.setdefault(row.role.lower(), Seat(row.role, False, False))
        if row.person_id in seen:
            seat.held.append(row)
        else:
            seat.hidden += 1
    return list(seats.values())


def former(account: Account, user: Any) -> list[AccountRole]:
    """The roles in an account that have ended, the last first, of people whom the user sees."""
    ended = AccountRole.objects.filter(account=account, person__erased_at=None).exclude(ends_on=None)
    rows = sight.people(ended.select_related("person"), user, "person_id")
    return list(rows.order_by("-ends_on", "-pk")[:MOST])


def of(person: Person) -> list[AccountRole]:
    """A person's roles in all accounts, those held now first."""
    rows = AccountRole.objects.filter(person=person).exclude(role="").select_related("account")
    return sorted(rows, key=lambda row: (row.ends_on is not None, -(row.ends_on or date.min).toordinal(), row.pk))


def _role(role: Any) -> str:
    text = " ".join(str(role or "").split())
    if not text or len(text) > LONGEST or "\x00" in text:
        raise BadValue("role", _("A role has between 1 and %(most)s letters.") % {"most": LONGEST})
    return text
