"""The REST API as a program with a key asks it, and what is held against its answers."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

from integrations import keys
from kit.models import User

PROBLEM = "application/problem+json"


def user(role: str = User.Role.MARKETER, email: str = "ada@example.com") -> User:
    """Somebody whose key it is."""
    return User.objects.create_user(email, "x", role=role)


def secret_of(who: User, *scopes: str, name: str = "sync") -> str:
    """The secret of a new key of somebody's: of all scopes, or of these."""
    return keys.make(name, scopes or keys.all_scopes(), user=who, by=None, now=timezone.now())[1]


def by(who: User, *scopes: str, name: str = "sync") -> Client:
    """A program that asks with a key of somebody's: of all scopes, or of these."""
    return Client(headers={"Authorization": f"Bearer {secret_of(who, *scopes, name=name)}"})


def send(api: Client, address: str, body: Any = None, **headers: str) -> Any:
    """POST as JSON; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.post(address, body, content_type="application/json", headers=named)


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM), answer.content[:500]
    told: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(told)
    assert (told["status"], told["code"]) == (status, code)
    return told


def pages(api: Client, address: str) -> list[dict[str, Any]]:
    """All rows of a list, page by page."""
    found: list[dict[str, Any]] = []
    next_address: str | None = address
    while next_address:
        answer = api.get(next_address)
        assert answer.status_code == 200, answer.content[:500]
        page = answer.json()
        found += page["results"]
        next_address = page["next"]
    return found


class Api:
    """A program with somebody's key. Addresses begin behind `/api/v1`; bodies and answers are JSON."""

    def __init__(self, someone: User, *scopes: str) -> None:
        self.client = by(someone, *scopes)

    def ask(self, method: str, address: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The answer's JSON; the test fails unless it has the status."""
        answer = self.raw(method, address, body, **headers)
        assert answer.status_code == status, (answer.status_code, answer.content[:500])
        return answer.json() if answer.content else None

    def get(self, address: str, status: int = 200, **headers: str) -> Any:
        return self.ask("get", address, None, status, **headers)

    def post(self, address: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        return self.ask("post", address, body, status, **headers)

    def patch(self, address: str, body: Any, status: int = 200, **headers: str) -> Any:
        return self.ask("patch", address, body, status, **headers)

    def refused(self, method: str, address: str, body: Any, status: int, code: str, **headers: str) -> dict[str, Any]:
        """The problem; the test fails unless it has the status and the code."""
        return problem(self.raw(method, address, body, **headers), status, code)

    def raw(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        """The answer itself; `Idempotency_Key` is the header of that name."""
        given = {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}
        if method != "get":  # without a body nothing is sent, where Django's client would send an empty form
            given |= {"data": "" if body is None else body, "content_type": "application/json"}
        return getattr(self.client, method)(f"/api/v1{address}", **given)

    def pages(self, address: str) -> list[Any]:
        """All rows of a list, page by page."""
        return pages(self.client, f"/api/v1{address}")
