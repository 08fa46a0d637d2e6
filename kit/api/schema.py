"""The OpenAPI document: drf-spectacular's, with our key, our problems and our headers in it."""

from __future__ import annotations

from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_field, extend_schema_serializer
from rest_framework.permissions import SAFE_METHODS
from rest_framework.serializers import Field

from kit.api import idempotency, problems
from kit.api.access import READ, WRITE

KEY = "key"
Kind = TypeVar("Kind", bound="Field[Any, Any, Any, Any]")


class KeysInSchema(OpenApiAuthenticationExtension):
    """How the document says that a key is needed."""

    target_class = "kit.api.access.Keys"
    name = KEY

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A key made under Operations → API keys."}


class Schema(AutoSchema):
    """One operation: summed up by the first sentence of its action; POSTs may carry an Idempotency-Key."""

    def get_summary(self) -> str:
        action = getattr(self.view, "action", "")
        words = get_doc(getattr(self.view, action, None))
        if words:
            return words.partition("\n\n")[0].partition(". ")[0].rstrip(".").replace("\n", " ")
        things = [part for part in self.path.split("/") if part and "{" not in part][-1].replace("-", " ")
        return f"List {things}" if action == "list" else f"Read one of {things}"

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> dict[str, Any]:
        """What is answered is told as the rows are: a choice that was not made is empty."""
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if direction != "response":
            return schema
        model = getattr(getattr(field.parent, "Meta", None), "model", None)
        if "enum" in schema and "" not in schema["enum"] and model and _may_be_empty(model, str(field.source)):
            schema["enum"] = [*schema["enum"], ""]
        return schema

    def get_tags(self) -> list[str]:
        """The first word of the address."""
        return [self.path.removeprefix(problems.PREFIX).partition("/")[0].replace("-", " ").capitalize()]

    def get_auth(self) -> list[dict[str, Any]]:
        """The key, and what it must be for."""
        super().get_auth()  # which puts the kind of key into the document
        view: Any = self.view
        scope = getattr(view, "scope", "")
        way = READ if self.method in SAFE_METHODS or view.action in view.reading else WRITE
        return [{KEY: [f"{scope}:{way}"] if scope else []}]

    def get_operation_id(self) -> str:
        made, action = super().get_operation_id(), getattr(self.view, "action", "")
        usual = ("list", "create", "retrieve", "update", "partial_update", "destroy")
        return made if action in usual else made.rpartition("_")[0]

    def get_override_parameters(self) -> list[Any]:
        if self.method != "POST":
            return []
        return [
            OpenApiParameter(
                idempotency.HEADER,
                str,
                OpenApiParameter.HEADER,
                description="Sent again with the same key the request is done once, and answered the same.",
            )
        ]


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: every operation may answer with a problem."""
    schemas = result["components"].setdefault("schemas", {})
    schemas |= _shapes
    schemas["Problem"] = {
        "type": "object",
        "description": "What went wrong (RFC 9457). `code` is stable, `detail` is for people.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "field": {"type": "string"},
            "row": {"type": "integer"},
            "limit": {"type": "integer"},
            "errors": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
        },
        "additionalProperties": True,
    }
    answer = {
        "description": "A problem",
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = answer
    return _without_marks(result) | {"tags": _tags(result, generator)}


def with_skipped(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook: what a policy passed over is answered by its outcome, with no row and no id."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Upserted"):
            schema["required"] = ["id", "outcome"]
            schema["properties"]["id"] = {"type": ["integer", "null"], "readOnly": True}
    return result


def _tags(result: dict[str, Any], generator: Any) -> list[dict[str, str]]:
    """Each tag with what the resource at its own address says of itself."""
    words = {
        path: get_doc(callback.cls).partition("\n\n")[0] for path, _regex, _method, callback in generator.endpoints
    }
    first: dict[str, str] = {}
    for path, methods in result["paths"].items():
        for operation in methods.values():
            first.setdefault(operation["tags"][0], path.removeprefix(problems.PREFIX).partition("/")[0])
    found = {name: words.get(f"{problems.PREFIX}{word}/", "").replace("\n", " ") for name, word in first.items()}
    return [{"name": name, "description": each} for name, each in found.items()]


def _may_be_empty(model: Any, source: str) -> bool:
    return any(each.name == source and getattr(each, "blank", False) for each in model._meta.get_fields())


def _without_marks(part: Any) -> Any:
    """Without what drf-spectacular notes for itself, and without “one of null and anything”, of which null is both."""
    if isinstance(part, dict):
        left_out = {"x-spec-enum-id", *(["oneOf"] if {} in part.get("oneOf", ()) else [])}
        if part.get("readOnly") is True:
            left_out.add("pattern")  # which an empty one does not fit
        return {name: _without_marks(each) for name, each in part.items() if name not in left_out}
    return [_without_marks(each) for each in part] if isinstance(part, list) else part


def example(value: dict[str, Any]) -> Any:
    """Decorates a serializer: what the document shows of it wherever it is asked for or answered."""
    # 202, which is not among those that it is shown for without being told
    shown = OpenApiExample("Example", value=value, status_codes=["200", "201", "202"])
    return extend_schema_serializer(examples=[shown])


def described(kind: type[Kind], schema: dict[str, Any]) -> type[Kind]:
    """A kind of field of its own with this schema; `extend_schema_field` alone would tell it of every such field."""
    return extend_schema_field(schema)(type(kind.__name__, (kind,), {}))


def shape(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Put a schema of our own into the document, under a name by which it may speak of itself; the reference to it."""
    _shapes[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}


_shapes: dict[str, dict[str, Any]] = {}
