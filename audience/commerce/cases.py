"""Service cases are opened, changed and closed here, one at a time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.models import Account, Case, Person
from audience.subjects.people import BadValue
from kit import audit
from kit.models import User

FIELDS = ("title", "severity", "opened_at", "closed_at")
SEVERITIES = {
    "low": gettext_lazy("Low"), "medium": gettext_lazy("Medium"), "high": gettext_lazy("High"),
    "critical": gettext_lazy("Critical"),
}  # fmt: skip


@transaction.atomic
def open(
    subject: Person | Account,
    values: Mapping[str, Any],
    *,
    source: str,
    external_id: str = "",
    by: User | None,
    now: datetime,
) -> Case:
    """A new case of a person or an account, open since `opened_at` or now. A source tells it once. Raises BadValue."""
    told = {"opened_at": now} | {name: value for name, value in values.items() if value is not None}
    if not str(told.get("title", "")).strip():
        raise BadValue("title", _("Say what it is about."), "required")
    _check(told, now)
    whose = {"person": subject} if isinstance(subject, Person) else {"account": subject}
    try:
        with transaction.atomic():
            case = Case.objects.create(
                **told, **whose, source=source, external_id=external_id or uuid.uuid4().hex, recorded_at=now
            )
    except IntegrityError as clash:
        if "case_once" not in str(clash):
            raise
        raise BadValue("external_id", _("This source has told a case of this id already."), "already_there") from clash
    audit.record("case.open", str(case), by=by, now=now, after={"subject": subject.pk, "case": case.pk})
    return case


@transaction.atomic
def change(case: Case, values: Mapping[str, Any], *, by: User | None, now: datetime) -> bool:
    """Write new values of FIELDS; a closed case without `closed_at` is open again. True when anything was different.

    Raises BadValue.
    """
    held = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    told = {name: value for name, value in values.items() if getattr(held, name) != value}
    if not told:
        return False
    _check({name: getattr(held, name) for name in FIELDS} | told, now)
    before = {name: getattr(held, name) for name in told}
    for name, value in told.items():
        setattr(held, name, value)
    held.save(update_fields=list(told))
    case.refresh_from_db()
    after = {"subject": held.person_id or held.account_id, "case": held.pk, "columns": sorted(told)}
    shown = {name: str(value) for name, value in before.items() if name != "title" and value is not None}
    audit.record("case.change", str(held), by=by, now=now, before=shown, after=after)
    return True


def _check(values: Mapping[str, Any], now: datetime) -> None:
    for name, value in values.items():
        if name not in FIELDS:
            raise BadValue(name, _("Cases have no field called “%(field)s”.") % {"field": name}, "unknown_field")
        longest = getattr(Case._meta.get_field(name), "max_length", None)
        if isinstance(value, str) and ((longest and len(value) > longest) or "\x00" in value):
            raise BadValue(name, _("This is longer than %(most)s characters.") % {"most": longest}, "too_long")
    if not str(values.get("title", "x")).strip():
        raise BadValue("title", _("Say what it is about."), "required")
    if values["opened_at"] > now:
        raise BadValue("opened_at", _("It has not happened yet."), "in_the_future")
    if (closed := values.get("closed_at")) is not None and not values["opened_at"] <= closed <= now:
        raise BadValue("closed_at", _("It is closed after it was opened, and not in the future."), "bad_order")
