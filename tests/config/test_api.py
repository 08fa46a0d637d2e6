"""The document of the REST API: complete, with examples, and made without a complaint."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from audience.importing import atonce
from kit.api import problems

pytestmark = pytest.mark.django_db


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_valid_and_made_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    GENERATOR_STATS.reset()
    validate_schema(SchemaGenerator(api_version="1").get_schema(request=None, public=True))
    assert not GENERATOR_STATS, capsys.readouterr().err


def test_every_operation_is_summed_up_and_shows_what_is_sent_and_answered(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    found = operations(document)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    for name, operation in found.items():
        assert operation.get("summary"), name
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        bodies += [answer for status, answer in operation["responses"].items() if status[0] == "2" and status != "204"]
        for body in bodies:
            for kind, told in body.get("content", {}).items():
                assert told.get("examples") or kind != "application/json", (name, kind)


# Where codes are said, and which argument says it.
SAY = {"Problem": 1, "refusal": 1, "refusals": 1, "at_place": 1, "BadValue": 2, "NoInstant": 0, "Refused": 0, "Wrong": 0,
       "ValidationError": 1, "ErrorDetail": 1}  # fmt: skip
WORD = re.compile(r"[a-z]+(_[a-z]+)*")
FLOORS = ("kit", "audience", "scoring", "lifecycle", "campaigns", "reporting", "integrations")
OF_PAGES = {"csrf_failed", "no_json", "everybody", "too_deep", "too_often"}  # told to browsers alone


def codes() -> Iterator[str]:
    for path in (path for floor in FLOORS for path in (settings.BASE_DIR / floor).rglob("*.py")):
        for call in (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            said = [call.args[SAY[name]]] if name in SAY and len(call.args) > SAY[name] else []
            said += [each.value for each in call.keywords if each.arg == "code" and name in SAY]
            for each in said:
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and WORD.fullmatch(each.value):
                    yield each.value
    yield from problems.CODES.values()
    yield from atonce.CODES.values()


def test_every_code_of_a_problem_is_in_the_docs() -> None:
    told = (settings.BASE_DIR / "docs" / "api.md").read_text()
    assert {each for each in codes() if f"`{each}`" not in told} - OF_PAGES == set()
