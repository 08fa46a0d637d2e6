"""How bodies are read and rows are written: nothing unknown is passed over, instants are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from kit import installation, instants


class Instant(serializers.DateTimeField):
    """An instant, written in UTC. Without an offset it is a local time of the installation's zone, if there is it."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return instants.read(value if isinstance(value, str) else "", installation.zone())
        except instants.NoInstant as wrong:
            raise serializers.ValidationError(str(wrong), wrong.code) from wrong

    def to_representation(self, value: Any) -> Any:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


class Rows(serializers.ListField):
    """Rows that a verb reads one by one and answers for one by one. `child` is what the document says of each."""

    default_error_messages = {"too_many_rows": _("At most {limit} rows at once.")}

    def __init__(self, *, child: serializers.Serializer[Any], most: int, **given: Any) -> None:
        super().__init__(child=child, **given)
        self.most = most

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if len(data) > self.most:
            self.fail("too_many_rows", limit=self.most)
        return data


class Strict(serializers.Serializer[Any]):
    """A body. What it does not know, or may not be set, is refused."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = {
                str(name): [
                    serializers.ErrorDetail(
                        str(_("It cannot be set.") if name in self.fields else _("There is no such field.")),
                        "unknown_field",
                    )
                ]
                for name in data
                if name not in known
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class ShortName(serializers.CharField):
    """A slug as it is shown. It was looked at when it was written, and may be none."""

    def __init__(self, *, allow_unicode: bool = False, **given: Any) -> None:
        super().__init__(**given)


class Row(serializers.ModelSerializer[Any]):
    """A row of a table as it is shown; instants in UTC."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Instant,
        models.SlugField: ShortName,
    }
