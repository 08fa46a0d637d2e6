"""The document of the REST API: complete, with examples, and made without a complaint."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

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
