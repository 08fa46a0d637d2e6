"""Certificates of partners: each is an activity `partner_certified`, good for as long as it or the programme says.

Nothing is kept beside the ledger, so that which certificates were in force on a past day, as known then, can be asked.
"""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audience.activity import activities
from audience.models import Account, Person
from audience.subjects.people import BadValue
from kit import audit, installation
from kit.models import User
from kit.sql import Sql, sql
from lifecycle.partners import kinds


@transaction.atomic
def certify(
    account: Account, name: str, *, person: Person | None, on: date, until: date | None, by: User | None, now: datetime
) -> None:
    """Somebody of a partner has passed on a day. Raises BadValue."""
    name = " ".join(name.split())
    at = installation.midnight(on, installation.zone())
    if not name or len(name) > 200 or "\x00" in name:
        raise BadValue("name", _("Say which certificate it is, in 200 letters at most."))
    if at > now:
        raise BadValue("on", _("It has not happened yet."))
    if until is not None and until <= on:
        raise BadValue("until", _("It ends after it begins."))
    told: dict[str, object] = {"certificate": name}
    told |= {"valid_days": (until - on).days} if until else {}
    told |= {"person": person.pk} if person else {}
    activities.record(account, kind=kinds.CERTIFIED, at=at, source=kinds.SOURCE, now=now, properties=told)
    audit.record("partner.certify", str(account), by=by, now=now, after={"subject": account.pk, "certificate": name})


def until(row: str) -> Sql:
    """The first day on which a certificate is not good any more, as SQL over an activity; NULL: it does not end.

    What the activity says, else as many months after it as the programme of a lifecycle that the account is in says.
    """
    months = sql(
        f"""SELECT min(programme.certified_months) FROM lifecycle_programme programme
            JOIN lifecycle_membership held ON held.lifecycle_id = programme.lifecycle_id
            WHERE held.account_id = {row}.account_id"""
    )
    return sql(
        f"""(CASE WHEN {row}.properties ->> 'valid_days' ~ '^[0-9]{{{{1,5}}}}$'
             THEN {{}} + ({row}.properties ->> 'valid_days')::int
             ELSE ({{}} + ({{}}) * interval '1 month')::date END)""",
        day(row),
        day(row),
        months,
    )


def day(row: str) -> Sql:
    """The local day on which it was passed, as SQL."""
    return sql(f"({row}.occurred_at AT TIME ZONE {{}})::date", str(installation.zone()))
