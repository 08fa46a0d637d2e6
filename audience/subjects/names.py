"""What to call a person or an account on a page."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audience.models import Account, Identity, Person
from audience.subjects import sight
from kit.registry import Named


def of(subject: Person | Account) -> str:
    """The name; else email or domain; else the id under which another system knows the subject; else the number."""
    if subject.merged_into:
        return _("#%(id)s, merged into #%(into)s") % {"id": subject.pk, "into": subject.merged_into}
    if subject.erased_at:
        text = _("Erased person #%(id)s") if isinstance(subject, Person) else _("Erased account #%(id)s")
        return text % {"id": subject.pk}
    if isinstance(subject, Person):
        known = " ".join(filter(None, [subject.first_name, subject.last_name])) or subject.email
    else:
        known = subject.name or subject.domain
    return known or getattr(subject, "external_id", None) or f"#{subject.pk}"


def named(ids: Collection[int], user: Any) -> dict[int, Named]:
    """Those of the subjects with these numbers that a user sees, as other apps speak of them; in three queries."""
    known = {row.subject_id: row.external_id for row in Identity.objects.filter(subject_id__in=ids).order_by("-pk")}
    found: dict[int, Named] = {}
    seen: list[QuerySet[Any]] = [sight.people(Person.objects.all(), user), sight.accounts(Account.objects.all(), user)]
    for rows in seen:
        for subject in rows.filter(pk__in=ids):
            subject.external_id = known.get(subject.pk)
            found[subject.pk] = Named(of(subject), subject.get_absolute_url())
    return found
