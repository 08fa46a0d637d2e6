"""What to call a person or an account on a page."""

from __future__ import annotations

from django.utils.translation import gettext as _

from audience.models import Account, Person


def of(subject: Person | Account) -> str:
    """The name; else email or domain; else the id under which another system knows the subject; else the number."""
    if subject.erased_at:
        text = _("Erased person #%(id)s") if isinstance(subject, Person) else _("Erased account #%(id)s")
        return text % {"id": subject.pk}
    if isinstance(subject, Person):
        known = " ".join(filter(None, [subject.first_name, subject.last_name])) or subject.email
    else:
        known = subject.name or subject.domain
    return known or getattr(subject, "external_id", None) or f"#{subject.pk}"
