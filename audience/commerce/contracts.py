"""Contracts by hand and by program, one at a time: made, changed, amended; and which of them renew soon."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet, Subquery
from django.db.models.expressions import OuterRef
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.commerce import kept
from audience.models import Account, Contract, ContractAmendment, Person
from audience.subjects.people import BadValue
from kit import audit
from kit.models import User
from kit.sql import Sql, sql

FIELDS = (
    "name", "product", "starts_on", "renews_on", "notice_on", "ends_on", "auto_renew", "annual_value", "currency",
)  # fmt: skip
WINDOWS = (30, 60, 90)  # days ahead that lists of renewals look
LARGEST = 2**63 - 1
STATES = {
    "running": gettext_lazy("running"),
    "to_come": gettext_lazy("to come"),
    "overdue": gettext_lazy("renewal passed"),
    "ended": gettext_lazy("ended"),
}


@transaction.atomic
def make(
    values: Mapping[str, Any], *, subject: Person | Account, source: str, by: User | None, now: datetime,
    external_id: str = "",
) -> Contract:  # fmt: skip
    """A new contract of a person or an account, once for each source and id; `values` are FIELDS. Raises BadValue."""
    whose = {"person": subject} if isinstance(subject, Person) else {"account": subject}
    made = Contract(**values, **whose, source=source, external_id=external_id or uuid.uuid4().hex, recorded_at=now)
    _check(made, values)
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError as clash:
        if "contract_once" not in str(clash):
            raise
        told = _("This source has told a contract of this id already.")
        raise BadValue("external_id", told, "already_there") from clash
    made.refresh_from_db()
    after = {"contract": made.pk, "source": source}
    audit.record("contract.make", str(made), by=by, now=now, after=after, about=[subject.pk])
    return made


@transaction.atomic
def change(contract: Contract, values: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Write new values of FIELDS; True when anything was different. Raises BadValue.

    Amendments stay, so a contract cannot begin on or after one of them, nor change its currency under them.
    """
    held = Contract.objects.select_for_update(no_key=True).get(pk=contract.pk)
    told = [name for name, value in values.items() if getattr(held, name) != value]
    if not told:
        return False
    for name in told:
        setattr(held, name, values[name])
    _check(held, values)
    amended = ContractAmendment.objects.filter(contract=held)
    if "starts_on" in told and amended.filter(valid_from__lte=held.starts_on).exists():
        raise BadValue("starts_on", _("It was amended on that day, or before it. Take the amendment away first."))
    if "currency" in told and amended.exists():
        raise BadValue("currency", _("Its amendments are in the other currency. Take them away first."))
    with kept.changing(now):
        held.save(update_fields=told)
    contract.refresh_from_db()
    after = {"contract": held.pk, "columns": sorted(told)}
    audit.record("contract.change", str(held), by=by, now=now, after=after, about=[held.person_id, held.account_id])
    return True


@transaction.atomic
def amend(
    contract: Contract, *, valid_from: date, annual_value: int | None, by: User | None, now: datetime
) -> ContractAmendment | None:
    """From a day on the contract is worth this a year; None takes the amendment of that day away. Raises BadValue.

    The same day again corrects it. When a renewal brings another value, that is an amendment too.
    """
    held = Contract.objects.select_for_update(no_key=True).get(pk=contract.pk)
    if valid_from <= held.starts_on:
        raise BadValue("valid_from", _("From its start on, the value of the contract itself holds. Change that."))
    if held.ends_on and valid_from >= held.ends_on:
        raise BadValue("valid_from", _("The contract has ended by that day."))
    if annual_value is not None and not 0 <= annual_value <= LARGEST:
        raise BadValue("annual_value", _("A value is no less than nothing, and no more than can be kept."))
    after: dict[str, Any] = {"contract": held.pk, "valid_from": valid_from.isoformat(), "annual_value": annual_value}
    audit.record("contract.amend", str(held), by=by, now=now, after=after, about=[held.person_id, held.account_id])
    if annual_value is None:
        held.amendments.filter(valid_from=valid_from).delete()
        return None
    given = {"annual_value": annual_value, "recorded_at": now}
    amendment, _made = held.amendments.update_or_create(valid_from=valid_from, defaults=given)
    return amendment


def worth(rows: QuerySet[Contract], on: date) -> QuerySet[Any]:
    """With `value`: what each is worth a year on a day; and `state`, one of STATES, is told by `state_of`."""
    amended = ContractAmendment.objects.filter(contract=OuterRef("pk"), valid_from__lte=on).order_by("-valid_from")
    return rows.annotate(value=Coalesce(Subquery(amended.values("annual_value")[:1]), F("annual_value")))


def amounts(rows: QuerySet[Contract], on: date) -> Sql:
    """The relation of what contracts are worth a year on a day that `rates.added` takes.

    A value is of the day from which it was agreed: the contract's start, or its amendment. So an exchange rate that
    moves makes nothing of a contract that stays as it is.
    """
    chosen = rows.order_by().values("pk").query.sql_with_params()
    return sql(
        """SELECT '' AS bucket, coalesce(amended.annual_value, contract.annual_value) AS amount, contract.currency,
                  coalesce(amended.valid_from, contract.starts_on) AS day
           FROM audience_contract contract LEFT JOIN LATERAL (
               SELECT amendment.annual_value, amendment.valid_from FROM audience_contractamendment amendment
               WHERE amendment.contract_id = contract.id AND amendment.valid_from <= {}
               ORDER BY amendment.valid_from DESC LIMIT 1) amended ON true
           WHERE contract.id IN ({})""",
        on, Sql(*chosen),
    )  # fmt: skip


def in_state(state: str, on: date) -> Q:
    """The contracts in one of STATES on a day; “in_force” are those that have begun and not ended."""
    over, begun = Q(ends_on__lte=on), Q(starts_on__lte=on)
    late = Q(renews_on__lt=on)
    return {
        "in_force": begun & ~over,
        "ended": over,
        "to_come": ~begun & ~over,
        "overdue": begun & ~over & late & Q(ends_on=None),
        "running": begun & (Q(ends_on__gt=on) | Q(ends_on=None) & (Q(renews_on=None) | ~late)),
    }[state]


def state_of(contract: Contract, on: date) -> str:
    """The same of one contract."""
    if contract.ends_on and contract.ends_on <= on:
        return "ended"
    if contract.starts_on > on:
        return "to_come"
    is_late = contract.renews_on and contract.renews_on < on and not contract.ends_on
    return "overdue" if is_late else "running"


def renewing(on: date, days: int) -> Q:
    """The contracts that renew within so many days from a day on, unless they have been ended."""
    return Q(ends_on=None, renews_on__gte=on, renews_on__lt=on + timedelta(days=days))


def values_over_time(contract: Contract) -> list[tuple[date, int | None, int | None]]:
    """From when it was worth what a year, and by how much more than before; the newest first."""
    steps = [(contract.starts_on, contract.annual_value)]
    steps += contract.amendments.order_by("valid_from").values_list("valid_from", "annual_value")
    told: list[tuple[date, int | None, int | None]] = []
    before: int | None = None
    for day, value in steps:
        told.append((day, value, value - before if value is not None and before is not None else None))
        before = value
    return told[::-1]


def _check(contract: Contract, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in FIELDS:
            raise BadValue(name, _("Contracts have no field called “%(field)s”.") % {"field": name}, "unknown_field")
        longest = getattr(Contract._meta.get_field(name), "max_length", None)
        if isinstance(value, str) and ((longest and len(value) > longest) or "\x00" in value):
            raise BadValue(name, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    if contract.starts_on is None:
        raise BadValue("starts_on", _("Say when it begins."), "required")
    if contract.annual_value is not None and not 0 <= contract.annual_value <= LARGEST:
        raise BadValue("annual_value", _("A value is no less than nothing, and no more than can be kept."))
    if contract.annual_value is not None and not contract.currency:
        raise BadValue("currency", _("Say in which currency it is."), "required")
    if contract.ends_on and contract.ends_on < contract.starts_on:
        raise BadValue("ends_on", _("It would end before it begins."))
    if contract.renews_on and contract.renews_on <= contract.starts_on:
        raise BadValue("renews_on", _("It renews after it began."))
    if contract.notice_on and contract.renews_on and contract.notice_on > contract.renews_on:
        raise BadValue("notice_on", _("Notice is given before the renewal."))
