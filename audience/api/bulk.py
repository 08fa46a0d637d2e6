"""Many rows at once over the API: objects become the fields of a kind of import, and each row is answered for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from audience import importing
from audience.api.subjects import API, SYSTEM_HELP, Policy
from audience.importing import atonce
from audience.importing.atonce import Became
from kit.api.problems import Problem
from kit.api.schema import example
from kit.api.serializers import Strict
from kit.api.views import Resource

# Objects within a row, and the fields of imports that their members are; a name of their own follows the object's.
WITHIN = {"account": "account_", "person": "person_", "product": "product_"}
OF_PRODUCT = {"product_name": "product"}
BY_KEY = ("custom", "properties")


class AccountNamed(Strict):
    """An account by the external id of `system`, by domain or by name; made if it is not there."""

    external_id = serializers.CharField(required=False, max_length=300)
    domain = serializers.CharField(required=False)
    name = serializers.CharField(required=False, max_length=300)


class PersonNamed(Strict):
    """A person by the external id of `system` or by email; made by the email if nobody is there."""

    external_id = serializers.CharField(required=False, max_length=300)
    email = serializers.CharField(required=False)


class ProductNamed(Strict):
    """A product by external id or by name; made if it is not there."""

    external_id = serializers.CharField(required=False, max_length=200)
    name = serializers.CharField(required=False, max_length=300)


class Once(Strict):
    """What is said once for all rows."""

    policy = Policy()
    all_or_nothing = serializers.BooleanField(
        required=False, default=False, help_text="Keep nothing when a row is refused; else the good rows are kept."
    )


class BulkGiven(Once):
    """The same for people and accounts."""

    system = serializers.CharField(required=False, max_length=64, default=API, help_text=SYSTEM_HELP)


class SourcedGiven(Once):
    """The same for what a source tells: each row once by its external id."""

    source = serializers.CharField(  # type: ignore[assignment]
        required=False, max_length=64, default=API, help_text="The system that tells it; external ids are its own."
    )


class BulkResult(serializers.Serializer[Any]):
    """What became of one row, counted from 0. `code`, `field` and `detail` say why one was refused."""

    row = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=atonce.OUTCOMES)
    id = serializers.IntegerField(allow_null=True)
    code = serializers.CharField(required=False)
    field = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)


@example({
    "created": 1, "updated": 0, "unchanged": 0, "skipped": 0, "repeated": 0, "refused": 1,
    "results": [
        {"row": 0, "outcome": "created", "id": 4711},
        {"row": 1, "outcome": "refused", "id": None, "code": "bad_email", "field": "email",
         "detail": "is no email address"},
    ],
})  # fmt: skip
class BulkAnswer(serializers.Serializer[Any]):
    """How many rows had which outcome, and each row's."""

    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    skipped = serializers.IntegerField(help_text="Left alone by the policy.")
    repeated = serializers.IntegerField(help_text="A later row is about the same.")
    refused = serializers.IntegerField()
    results = BulkResult(many=True)


def merged(
    view: Resource, given: Mapping[str, Any], rows: str, *, kind: str = "", renamed: Mapping[str, str] | None = None
) -> Response:
    """Merge the rows under the name `rows` of a body and answer for each; `renamed` are fields that imports call else.

    Raises Problem when all or nothing was asked for and a row is refused.
    """
    names = dict(renamed or {})
    told = {
        "source": given.get("system") or given["source"], "policy": given["policy"],
        "all_or_nothing": given["all_or_nothing"], "by": view.by, "now": view.now,
    }  # fmt: skip
    try:
        became = atonce.merge(importing.kind_of(kind or rows), [_flat(row, names) for row in given[rows]], **told)
    except atonce.NotAll as refusal:
        raise refused(str(refusal), results(refusal.refused, names)) from refusal
    return Response({**atonce.counted(became), "results": results(became, names)})


def merged_one(view: Resource, kind: str, row: Mapping[str, Any], renamed: Mapping[str, str]) -> Became:
    """Merge one row, of which `source` and `policy` are members. Raises Problem when it is refused."""
    said = SourcedGiven(data={name: row[name] for name in ("source", "policy") if name in row})
    said.is_valid(raise_exception=True)
    fields = _flat({name: value for name, value in row.items() if name not in said.validated_data}, renamed)
    once = {"source": said.validated_data["source"], "policy": said.validated_data["policy"]}
    [became] = atonce.merge(importing.kind_of(kind), [fields], **once, by=view.by, now=view.now)
    if became.outcome == atonce.REFUSED:
        field = _path(became.field, {ours: theirs for theirs, ours in renamed.items()})
        raise Problem(400, became.code, became.reason, field=field or None)
    return became


def refused(said: str, errors: list[dict[str, Any]]) -> Problem:
    """It was to be all or nothing, and some rows cannot be kept."""
    return Problem(400, "rows_refused", said, errors=errors)


def results(became: Iterable[Became], renamed: Mapping[str, str]) -> list[dict[str, Any]]:
    """What became of rows, as it is told; fields by the names that the body has for them."""
    back = {ours: theirs for theirs, ours in renamed.items()}
    return [
        {"row": each.row, "outcome": each.outcome, "id": each.id}
        | ({"code": each.code, "field": _path(each.field, back), "detail": each.reason} if each.code else {})
        for each in became
    ]


def _flat(row: Any, renamed: Mapping[str, str]) -> Any:
    """An object with objects in it as one object of fields; anything else as it is, to be refused for its row."""
    if not isinstance(row, Mapping):
        return row
    fields: dict[str, Any] = {}
    for name, value in row.items():
        if (name in WITHIN or name in BY_KEY) and value is not None:
            if not isinstance(value, Mapping):
                return None
            start = WITHIN.get(name, f"{name}.")
            fields |= {OF_PRODUCT.get(start + key, start + key): each for key, each in value.items()}
        else:
            fields[renamed.get(name, name)] = value
    return fields


def _path(field: str, back: Mapping[str, str]) -> str:
    field = back.get(field, field)
    field = next((theirs for theirs, ours in OF_PRODUCT.items() if ours == field), field)
    for name, start in WITHIN.items():
        if field.startswith(start) and field != "account_role":
            return f"{name}.{field.removeprefix(start)}"
    return field
