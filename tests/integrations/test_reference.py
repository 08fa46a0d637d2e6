"""The reference of the API on its page: every operation with what it takes and answers, found by its words."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from integrations import reference
from tests import asking
from tests.integrations import routes

pytestmark = pytest.mark.django_db
DOCS = "/api/docs/"


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.force_login(asking.user("viewer"))
    return client


def test_the_document_is_made_without_a_warning() -> None:
    command = [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null"]
    made = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")


def test_every_operation_is_in_the_reference_in_full(reader: Client) -> None:
    listed = reader.get(DOCS).content.decode()
    told = [each for group in reference.groups() for each in group.operations]
    assert len(told) == len(list(routes.every()))
    for group in reference.groups():
        page = reader.get(f"{DOCS}{group.slug}/").content.decode()
        for operation in group.operations:
            assert f'{DOCS}{group.slug}/#{operation.slug}"' in listed
            assert f'id="{operation.slug}"' in page and operation.path in page
            assert operation.summary and operation.words and operation.answers
    assert reader.get(f"{DOCS}nothing/").status_code == 404


def test_what_is_told_of_an_operation_is_what_it_takes() -> None:
    [upsert] = [each for group in reference.groups() for each in group.operations if each.slug == "people-upsert"]
    assert upsert.scopes == ["people:write"]
    members = {each.name: each for each in upsert.body if not each.depth}
    assert members["policy"].kind.startswith("upsert") and "email" in members and not members["email"].needed
    assert {each.status for each in upsert.answers} == {"200", "201"}
    curl = upsert.curl("https://crm.example")
    assert curl.startswith('curl -X POST "https://crm.example/api/v1/people/upsert/"') and "Bearer $KEY" in curl
    [moved] = [each for group in reference.groups() for each in group.operations if each.slug == "memberships-move"]
    assert moved.body_needed
    nested = [each.name for each in moved.answers[0].members if each.depth == 1]
    assert "seq" in nested and "to_stage" in nested


def test_a_field_that_is_told_of_specially_changes_no_other_of_its_kind() -> None:
    schemas = reference.document()["components"]["schemas"]
    assert "custom fields" in schemas["PersonRow"]["properties"]["custom"]["description"]
    assert schemas["JobRow"]["properties"]["counts"]["type"] == "string"


@pytest.mark.parametrize(
    ("words", "found"), [("upsert", "/api/v1/people/upsert/"), ("POST memberships", "/api/v1/memberships/{id}/move/")]
)
def test_operations_are_found_by_their_words(reader: Client, words: str, found: str) -> None:
    page = reader.get(DOCS, {"q": words}).content.decode()
    assert found in page and "/api/v1/reports/funnel/" not in page
    assert "Nothing is called so" in reader.get(DOCS, {"q": "zzz"}).content.decode()


def test_every_answer_and_body_has_an_example_that_fits_its_schema() -> None:
    """An example that its own schema refuses teaches a mistake."""
    jsonschema = pytest.importorskip("jsonschema")
    document = reference.document()
    wrong: list[Any] = []
    seen = 0
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parts = [told.get("requestBody", {}), *told["responses"].values()]
            for content in (each for part in parts for each in part.get("content", {}).values()):
                schema = {"$ref": "#/schema", "schema": content.get("schema", {}), "components": document["components"]}
                for name, example in content.get("examples", {}).items():
                    seen += 1
                    for error in jsonschema.Draft202012Validator(schema).iter_errors(example["value"]):
                        wrong.append((method, path, name, error.json_path, error.message[:100]))
    assert wrong == [] and seen > 50
