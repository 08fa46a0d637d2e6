"""The reference of the API as a page tells it: the OpenAPI document taken apart, operation by operation.

The document is made once for each process; what it describes does not change while one runs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.utils.text import slugify
from drf_spectacular.settings import spectacular_settings

DEEPEST = 4  # how far members of members are told; the document has the rest
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """One parameter, or one member of a body or an answer; `depth` is how far within others it stands."""

    name: str
    kind: str
    needed: bool
    words: str
    depth: int = 0


@dataclass(frozen=True)
class Answer:
    """One answer that an operation can give: its members, and what it may look like."""

    status: str
    words: str
    content_type: str
    members: list[Member]
    example: str


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked for."""

    slug: str
    method: str
    path: str
    summary: str
    words: list[str]
    scopes: list[str]
    parameters: list[Member]
    body: list[Member]
    body_needed: bool
    example: str
    answers: list[Answer]

    def curl(self, address: str) -> str:
        """How it is asked for from a shell."""
        lines = [f'curl "{address}{self.path}"', '-H "Authorization: Bearer $KEY"']
        if self.method != "GET":
            lines[0] = f'curl -X {self.method} "{address}{self.path}"'
        if self.body:
            body = self.example.replace("'", "'\\''") or "{}"
            lines += ['-H "Content-Type: application/json"', f"-d '{body}'"]
        return " \\\n  ".join(lines)


@dataclass(frozen=True)
class Group:
    """The operations of one tag."""

    slug: str
    name: str
    words: str
    operations: list[Operation]


@functools.cache
def document() -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    made: dict[str, Any] = spectacular_settings.DEFAULT_GENERATOR_CLASS().get_schema(public=True)
    return made


@functools.cache
def groups() -> list[Group]:
    """All of it, tag by tag, in the order of the document."""
    whole = document()
    tagged: dict[str, list[Operation]] = {}
    for path, methods in whole["paths"].items():
        for method, told in methods.items():
            tagged.setdefault(told["tags"][0], []).append(_operation(whole, method.upper(), path, told))
    words = {each["name"]: each.get("description", "") for each in whole.get("tags", ())}
    return [Group(slugify(name), name, words.get(name, ""), operations) for name, operations in tagged.items()]


def _operation(whole: Node, method: str, path: str, told: Node) -> Operation:
    content = told.get("requestBody", {}).get("content", {})
    body: Node = next(iter(content.values()), {})
    return Operation(
        slug=told["operationId"].replace("_", "-"),
        method=method,
        path=path,
        summary=told.get("summary", ""),
        words=[each.replace("\n", " ") for each in told.get("description", "").split("\n\n")],
        scopes=[scope for each in told.get("security", ()) for scope in next(iter(each.values()), ())],
        parameters=[_parameter(whole, each) for each in told.get("parameters", ())],
        body=list(_members(whole, body.get("schema", {}))),
        body_needed=bool(told.get("requestBody", {}).get("required")),
        example=_example(body),
        answers=[_answer(whole, status, each) for status, each in told["responses"].items() if status != "default"],
    )


def _parameter(whole: Node, told: Node) -> Member:
    where = "" if told["in"] == "query" else f" ({told['in']})"
    schema = told.get("schema", {})
    return Member(told["name"], _kind(whole, schema) + where, bool(told.get("required")), _words(told, schema))


def _answer(whole: Node, status: str, told: Node) -> Answer:
    every: Node = told.get("content", {})
    content_type = next(iter(every), "")
    content: Node = every.get(content_type, {})
    words = told.get("description") or (HTTPStatus(int(status)).phrase if status.isdigit() else "")
    return Answer(status, words, content_type, list(_members(whole, content.get("schema", {}))), _example(content))


def _members(whole: Node, schema: Node, depth: int = 0) -> Iterator[Member]:
    """The members of an object, of those of a list, or of the one object among several kinds."""
    schema = _plain(whole, schema)
    if depth > DEEPEST:
        return
    if "items" in schema:
        yield from _members(whole, schema["items"], depth)
    needed = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        told = _plain(whole, each)
        yield Member(name, _kind(whole, each), name in needed, _words(each, told), depth)
        yield from _members(whole, told, depth + 1)


def _plain(whole: Node, schema: Node) -> Node:
    """The schema itself instead of its name; of “this or null” this."""
    while True:
        if "$ref" in schema:
            schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            continue
        ways = [each for each in schema.get("oneOf", schema.get("allOf", ())) if each.get("type") != "null"]
        if len(ways) != 1:
            return schema
        schema = ways[0]


def _kind(whole: Node, schema: Node) -> str:
    """What a value is, in words: “text or null”, “list of objects”, or the words that it may be."""
    told = _plain(whole, schema)
    nullable = any(each.get("type") == "null" for each in schema.get("oneOf", ()))
    kinds = told.get("type", "object" if "properties" in told else "any")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    if "enum" in told:
        names = [" · ".join(str(each) for each in told["enum"] if each is not None)]
    elif "array" in names:
        within = _kind(whole, told.get("items", {}))
        names[names.index("array")] = f"list of {within}"
    elif "string" in names and told.get("format"):
        names[names.index("string")] = str(told["format"])
    return " or ".join([*(_WORDS.get(each, each) for each in names), *(["null"] if nullable else [])])


_WORDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "date-time": "instant",
    "date": "day",
}


def _words(*told: Node) -> str:
    return next((str(each["description"]).replace("\n", " ") for each in told if each.get("description")), "")


def _example(content: Node) -> str:
    first = next(iter(content.get("examples", {}).values()), None)
    return json.dumps(first["value"], indent=2, ensure_ascii=False) if first else ""
