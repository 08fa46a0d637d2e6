"""The whole API against its own document: whatever fits the schemas, and whatever does not, is answered as it says.

Requests are drawn by schemathesis from a fixed seed, sent with a real key over WSGI to a company that has rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from integrations import keys
from kit.api.problems import CONTENT_TYPE
from kit.models import User
from tests import asking
from tests.integrations import world

pytestmark = pytest.mark.django_db
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """The server's handler closes connections around each request; the test's transaction lives in one."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def key() -> str:
    """Of an administrator, for everything."""
    who = asking.user(User.Role.ADMIN)
    return keys.make("schemathesis", keys.all_scopes(), user=who, by=None, now=world.NOW)[1]


def operations() -> Iterator[Any]:
    """Every operation of the served document."""
    document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    for each in document.get_all_operations():
        yield each.ok()


def hold(operation: Any, parts: dict[str, Any], secret: str, mode: GenerationMode, examples: int) -> None:
    """Ask one operation a few times. Raises what is wrong with an answer."""

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        # Half of the time what is there is asked for, not only what is made up.
        if len(str(case.query)) % 2:
            case.path_parameters = {
                name: parts.get(name, parts.get("pk", each)) for name, each in case.path_parameters.items()
            }
        with transaction.atomic():
            response = case.call(headers={"Authorization": f"Bearer {secret}"})
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert response.headers["content-type"] == [CONTENT_TYPE]
            assert {"type", "title", "status", "code", "detail"} <= set(response.json())

    ask()


@pytest.mark.parametrize(("mode", "examples"), [(GenerationMode.POSITIVE, 5), (GenerationMode.NEGATIVE, 3)])
def test_every_operation_answers_as_the_document_says(mode: GenerationMode, examples: int) -> None:
    """No answer is a failure of ours, HTML, or of another shape than the document has for it."""
    _sal, own, _foreign = world.made()
    secret = key()
    failed: list[str] = []
    seen = 0

    for operation in operations():
        parts = own.get(operation.path.split("/")[3], {})
        try:
            hold(operation, parts, secret, mode, examples)
        except Exception as failure:  # all of them are told together
            failed.append(f"{operation.label}: {type(failure).__name__}: {failure}"[:1500])
        seen += 1
    assert seen > 100
    assert failed == [], "\n\n".join(failed)
