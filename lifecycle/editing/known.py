"""What is known of a made-up subject: as a line of its form shows it, and as a document has it.

A custom field's value is written in one box whatever its type, as a file has it: several choices with semicolons
between them, money in cents, a choice by its name or its value.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext as _

from audience.models import Field
from audience.models.fields import LONGEST_TEXT
from audience.subjects.known import ORDER

CUSTOM = "custom."  # begins the names of custom fields
LONGEST = LONGEST_TEXT
WHOLE = r"-?[0-9]{1,17}"
BROKEN = rf"{WHOLE}\.[0-9]{{1,12}}"


def custom_fields(of: str, told: dict[str, Any]) -> dict[str, Field]:
    """By the name a line has for it: what people see of the subject's kind, and whatever a case tells of already."""
    defined = Field.objects.filter(of=of).order_by(*ORDER)
    return {CUSTOM + each.slug: each for each in defined if not each.hidden or each.slug in told}


def shown(field: Field, value: Any) -> str | None:
    """The text that `read` reads as this value; None where there is none, as for one of another type."""
    if not field.takes(value):
        return None
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        text = "; ".join(_called(field, each) for each in value)
    else:
        text = _called(field, value) if field.chosen else str(value)
    same = text.strip() == text and text.isprintable() and read(field, text) == value
    return text if text and same else None


def _called(field: Field, choice: str) -> str:
    """The name of a choice, or its value where another one is called or kept so."""
    label = field.label_of(choice)
    return label if field.words().get(label) == choice else choice


def read(field: Field, text: str) -> Any:
    """The value that a text says, as it is stored; of a text that says none, something that the field does not take."""
    if field.type == Field.Type.SEVERAL:
        parts = [each.strip() for each in text.split(";") if each.strip()]
        return field.in_order([field.words()[each] for each in parts]) if set(parts) <= set(field.words()) else None
    if field.type == Field.Type.CHOICE:
        return field.words().get(text, text)
    if field.type == Field.Type.YES_NO:
        words = {"yes": True, "true": True, "no": False, "false": False, _("yes"): True, _("no"): False}
        return words.get(text.lower())
    if field.type == Field.Type.NUMBER and re.fullmatch(BROKEN, text, re.ASCII):
        return float(text)
    if field.type in (Field.Type.NUMBER, Field.Type.MONEY) and re.fullmatch(WHOLE, text, re.ASCII):
        return int(text)
    return text
