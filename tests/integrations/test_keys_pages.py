"""Keys on their pages: who makes them, that a secret is told once, and that revoking holds at once and everywhere."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from integrations import keys
from integrations.models import ApiKey
from kit import access
from kit.models import AuditEntry, User

pytestmark = pytest.mark.django_db
NEW, LIST = "/operations/keys/new/", "/operations/keys/"


def user(role: str = User.Role.OPS, email: str = "") -> User:
    return User.objects.create_user(email or f"{role}@example.com", "x", role=role)


def signed_in(who: User) -> Client:
    client = Client()
    client.force_login(who)
    return client


def made_by(client: Client, **given: Any) -> tuple[Any, str]:
    answer = client.post(NEW, {"name": "warehouse sync", "scopes": ["imports:read"], "life": "30"} | given)
    secret = re.search(r"per_[0-9a-f]{12}_[\w-]{43}", answer.content.decode())
    return answer, secret[0] if secret else ""


def asked(secret: str, client: Client | None = None) -> int:
    return (client or Client()).get("/api/v1/jobs/", headers={"Authorization": f"Bearer {secret}"}).status_code


def test_the_secret_is_on_the_page_that_answers_and_nowhere_afterwards() -> None:
    client = signed_in(user())
    answer, secret = made_by(client)
    assert answer.status_code == 200 and asked(secret) == 200
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get()
    assert (key.name, key.scopes, key.user.email) == ("warehouse sync", ["imports:read"], "ops@example.com")
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
    listed = client.get(LIST).content.decode()
    assert f"per_{key.prefix}" in listed and secret not in listed and "reads files brought in" in listed
    assert list(AuditEntry.objects.values_list("action", "actor")) == [("key.make", "ops@example.com")]


def test_the_page_of_a_secret_loaded_again_makes_no_second_key() -> None:
    client = signed_in(user())
    made_by(client)
    answer, secret = made_by(client)
    assert answer.status_code == 400 and not secret and b"of this name already" in answer.content
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("given", [{"scopes": []}, {"scopes": ["people:own"]}, {"name": " "}, {"life": "1"}])
def test_what_makes_no_key_is_said_in_the_form(given: dict[str, Any]) -> None:
    answer, _secret = made_by(signed_in(user()), **given)
    assert answer.status_code == 400 and not ApiKey.objects.exists()


def test_everybody_sees_and_revokes_their_own_keys_and_administrators_those_of_all() -> None:
    ops, admin, viewer = user(), user(User.Role.ADMIN), user(User.Role.VIEWER)
    for who in (ops, viewer):
        keys.make(f"of {who.role}", ["imports:read"], user=who, by=admin, now=timezone.now())
    theirs = signed_in(viewer).get(LIST).content
    assert b"of viewer" in theirs and b"of ops" not in theirs
    everybody = signed_in(admin).get(LIST).content
    assert b"of viewer" in everybody and b"of ops" in everybody
    of_ops = ApiKey.objects.get(user=ops)
    assert signed_in(viewer).post(f"{LIST}{of_ops.pk}/revoke/").status_code == 404
    assert signed_in(ops).post(f"{LIST}{of_ops.pk}/revoke/").status_code == 302
    of_ops.refresh_from_db()
    assert of_ops.revoked_at is not None


def test_only_an_administrator_makes_a_key_that_acts_as_somebody_else() -> None:
    ops, admin = user(), user(User.Role.ADMIN)
    made_by(signed_in(ops), user=admin.pk)
    assert ApiKey.objects.get().user == ops
    _answer, secret = made_by(signed_in(admin), user=ops.pk, name="for ops")
    assert ApiKey.objects.get(name="for ops").user == ops
    assert asked(secret) == 200


def test_looking_at_the_page_that_asks_revokes_nothing() -> None:
    client = signed_in(user())
    _answer, secret = made_by(client)
    pk = ApiKey.objects.get().pk
    assert b"cannot be brought back" in client.get(f"{LIST}{pk}/revoke/").content
    assert asked(secret) == 200
    client.post(f"{LIST}{pk}/revoke/")
    assert asked(secret) == 401
    assert b"Revoked" in client.get(LIST).content
    assert AuditEntry.objects.filter(action="key.revoke").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_key_that_was_revoked_over_another_connection_is_refused_by_the_next_request() -> None:
    """Another thread asks over its own connection meanwhile."""
    key, secret = keys.make("sync", ["imports:read"], user=user(), by=None, now=timezone.now())
    refused, over = threading.Event(), threading.Event()
    seen: list[int] = []

    def ask() -> None:
        try:
            while not over.is_set():
                seen.append(asked(secret))
                if seen[-1] != 200:
                    refused.set()
                    return
        finally:
            connection.close()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        while not seen:
            over.wait(0.01)
        keys.revoke(key, by=None, now=timezone.now())
        assert refused.wait(1), "a second after it was revoked the key is still taken"
    finally:
        over.set()
        asking.join()
    assert set(seen[:-1]) == {200} and seen[-1] == 401


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "authorization", "token"])
def test_a_key_in_the_address_is_no_key(client: Client, name: str) -> None:
    """Addresses are logged and sent on; only the header is read."""
    _key, secret = keys.make("sync", ["imports:read"], user=user(), by=None, now=timezone.now())
    for given in (secret, f"Bearer {secret}"):
        assert client.get("/api/v1/jobs/", {name: given}).status_code == 401
        assert client.post("/api/v1/jobs/1/retry/", {name: given}, content_type="application/json").status_code == 401
    client.cookies[name] = secret
    assert client.get("/api/v1/jobs/").status_code == 401


def test_another_password_or_role_and_a_closed_access_end_the_keys_of_a_user() -> None:
    ada, sync = user(), user(User.Role.OPS, "sync@example.com")
    now = timezone.now()
    ends: list[Callable[[], object]] = [
        lambda: access.change_password(sync, "another long password", now=now),
        lambda: access.change(sync, {"role": User.Role.MARKETER}, by=ada, now=now),
        lambda: access.sign_out_everywhere(sync, by=ada, now=now),
        lambda: access.close(sync, by=ada, now=now),
    ]
    for end in ends:
        key, secret = keys.make("sync", ["imports:read"], user=sync, by=None, now=now)
        assert asked(secret) == 200
        end()
        assert asked(secret) == 401
        assert keys.state(ApiKey.objects.get(pk=key.pk), now) == "ended"
    access.reopen(sync, by=ada, now=now)
    assert asked(secret) == 401  # a key that ended stays over
