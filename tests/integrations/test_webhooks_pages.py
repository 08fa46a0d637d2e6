"""Webhooks on their pages and over the API: who keeps them, what is shown once, what was told, and sending it again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import keeping
from kit import deadletters
from kit.models import AuditEntry, IdempotencyKey, User
from tests import asking
from tests.asking import Api

pytestmark = pytest.mark.django_db
LIST, NEW = "/operations/webhooks/", "/operations/webhooks/new/"
GIVEN = {"name": "CRM", "url": "https://crm.example.com/T0/private", "events": ["handoff.handed", "stage.changed"]}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def boss() -> User:
    return asking.user(User.Role.ADMIN, "boss@example.com")


@pytest.fixture
def browser(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def hook(**values: Any) -> Webhook:
    given = GIVEN | values
    return keeping.add(given["name"], given["url"], given["events"], by=None, now=timezone.now())[0]


def told(of: Webhook, **values: Any) -> WebhookDelivery:
    now = timezone.now()
    usual = {"event": "webhook.test", "ref": of.pk, "at": now, "since": now, "next_at": now}
    return WebhookDelivery.objects.create(webhook=of, **usual | values)


def dead(of: Webhook, **values: Any) -> WebhookDelivery:
    line = {"at": timezone.now().isoformat(), "status": 500, "failure": "status", "took_ms": 1214}
    usual = {
        "state": "dead",
        "ended_at": timezone.now(),
        "tries": 10,
        "status": 500,
        "failure": "status",
        "log": [line],
    }
    return told(of, **usual | values)


def test_the_secret_is_on_the_page_that_answers_and_nowhere_afterwards(browser: Client) -> None:
    answer = browser.post(NEW, GIVEN)
    secret = SECRET.findall(text(answer))[0]
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    made = Webhook.objects.get()
    assert (made.name, made.events) == ("CRM", ["handoff.handed", "stage.changed"])
    for page in (LIST, made.get_absolute_url(), f"{made.get_absolute_url()}edit/"):
        assert secret not in text(browser.get(page)), page
    second = SECRET.findall(text(browser.post(f"{made.get_absolute_url()}secret/", {"hours": "24"})))[0]
    made.refresh_from_db()
    assert second != secret and made.former_until > timezone.now() + timedelta(hours=23)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["webhook.add", "webhook.rotate"]


@pytest.mark.parametrize(
    "wrong, words",
    [({"url": "http://x.example:8080/"}, "usual ports"), ({"events": []}, "what it is to be told"),
     ({"url": "file:///etc/passwd"}, "begins with"), ({"name": "Other"}, "there already")],
)  # fmt: skip
def test_what_cannot_be_kept_is_said_in_the_form(browser: Client, wrong: dict[str, Any], words: str) -> None:
    hook(name="Other")
    answer = browser.post(NEW, GIVEN | wrong)
    assert answer.status_code == 400 and words in text(answer) and Webhook.objects.count() == 1


@pytest.mark.parametrize("role", sorted(set(User.Role) - {User.Role.ADMIN}))
def test_nobody_but_administrators_sees_an_address_by_page_or_key(role: str) -> None:
    someone, made = asking.user(role), hook()
    given = dead(made)
    client = Client()
    client.force_login(someone)
    for page in (LIST, made.get_absolute_url(), given.get_absolute_url(), f"{made.get_absolute_url()}deliveries/"):
        assert client.get(page).status_code == 403, page
    api = Api(someone)
    assert api.get("/webhooks/")["results"] == [] == api.get("/webhook-deliveries/")["results"]
    api.get(f"/webhooks/{made.pk}/", 404), api.get(f"/webhook-deliveries/{given.pk}/", 404)


def test_the_page_tells_how_it_does_and_what_was_told(browser: Client) -> None:
    made = hook()
    one = dead(made)
    page = text(browser.get(made.get_absolute_url()))
    assert "1 event was given up" in page and "A test" in page and ">500<" in page
    assert "T0/private" in page and "T0/private" not in text(browser.get(LIST))
    listed = text(browser.get(f"{made.get_absolute_url()}deliveries/?state=dead"))
    assert "1 delivery" in listed and one.get_absolute_url() in listed
    assert "0 deliveries" in text(browser.get(f"{made.get_absolute_url()}deliveries/?state=waiting"))
    whole = text(browser.get(one.get_absolute_url()))
    assert one.message_id in whole and "Answered 500" in whole and "&quot;type&quot;: &quot;webhook.test&quot;" in whole


def test_all_that_was_given_up_is_sent_again_by_a_button_as_a_dead_letter_or_one_by_one(browser: Client) -> None:
    made = hook()
    ids = {dead(made).message_id for _each in range(3)}
    [letter] = deadletters.kind("webhook").find(10, None)  # type: ignore[union-attr]
    assert (letter.number, letter.reason) == (3, "It answered 500.")
    assert "“CRM”" in text(browser.get("/operations/dead-letters/"))
    browser.post(f"{made.get_absolute_url()}replay/")
    assert set(made.deliveries.values_list("state", "tries")) == {("waiting", 0)}
    assert {each.message_id for each in made.deliveries.all()} == ids
    assert not deadletters.kind("webhook").find(10, None)  # type: ignore[union-attr]
    one = dead(made)
    browser.post(f"/operations/webhooks/deliveries/{one.pk}/replay/")
    one.refresh_from_db()
    assert one.state == "waiting"
    another = dead(made)
    kind = deadletters.kind("webhook")
    assert kind and deadletters.retry(kind, str(made.pk), by=None, now=timezone.now())
    another.refresh_from_db()
    assert another.state == "waiting"


def test_it_is_tried_out_paused_changed_and_removed(browser: Client, django_capture_on_commit_callbacks: Any) -> None:
    made = hook()
    here = made.get_absolute_url()
    with django_capture_on_commit_callbacks(execute=True):
        browser.post(f"{here}test/")
    assert made.deliveries.get().event == "webhook.test"
    browser.post(f"{here}pause/")
    made.refresh_from_db()
    assert made.paused_at and "Paused" in text(browser.get(here))
    assert "Resume it first" in text(browser.post(f"{here}test/", follow=True)) and made.deliveries.count() == 1
    browser.post(f"{here}edit/", GIVEN | {"name": "Warehouse", "events": ["deal.changed"]})
    browser.post(f"{here}pause/")
    made.refresh_from_db()
    assert (made.name, made.events, made.paused_at) == ("Warehouse", ["deal.changed"], None)
    browser.post(f"{here}remove/")
    assert not Webhook.objects.exists() and not WebhookDelivery.objects.exists()
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == [f"webhook.{each}" for each in ("add", "test", "pause", "change", "resume", "remove")]


# ---- over the API ----


def test_a_program_keeps_webhooks_from_the_first_to_the_last(boss: User) -> None:
    api = Api(boss, "webhooks:write")
    made = api.post("/webhooks/", GIVEN, 201)
    assert SECRET.fullmatch(made["secret"])
    here = f"/webhooks/{made['id']}"
    assert "secret" not in api.get(f"{here}/") and api.get(f"{here}/")["url"] == GIVEN["url"]
    assert api.patch(f"{here}/", {"events": ["deal.created"]})["events"] == ["deal.created"]
    assert api.post(f"{here}/rotate/", {"hours": 1})["secret"] != made["secret"]
    assert api.get(f"{here}/")["former_secret_until"]
    assert api.post(f"{here}/test/", None, 202)["event"] == "webhook.test"
    assert api.post(f"{here}/pause/")["paused_at"] and api.get("/webhooks/?paused=true")["results"]
    api.refused("post", f"{here}/test/", None, 409, "paused")
    api.refused("post", "/webhooks/", GIVEN, 409, "name_taken")
    api.refused("post", "/webhooks/", GIVEN | {"name": "X", "url": "http://127.0.0.1:8000/"}, 400, "bad_address")
    assert api.refused("patch", f"{here}/", {"events": ["nothing.at_all"]}, 400, "invalid_choice")
    waiting = api.get(f"/webhook-deliveries/?webhook={made['id']}&state=waiting")["results"][0]["id"]
    api.refused("post", f"/webhook-deliveries/{waiting}/replay/", None, 409, "not_ended")
    WebhookDelivery.objects.update(state="dead", ended_at=timezone.now(), tries=10)
    assert api.post(f"{here}/replay/", None, 202) == {"count": 1}
    api.ask("delete", f"{here}/", None, 204)
    assert not Webhook.objects.exists()


def test_a_secret_that_is_asked_for_again_by_the_same_key_is_the_same_and_kept_encrypted(boss: User) -> None:
    api = Api(boss)
    first = api.post("/webhooks/", GIVEN, 201, Idempotency_Key="a")
    assert api.post("/webhooks/", GIVEN, 201, Idempotency_Key="a") == first
    assert first["secret"] not in str(IdempotencyKey.objects.get().answer)


def test_there_are_no_more_than_fifty(boss: User) -> None:
    for number in range(keeping.MOST):
        hook(name=f"Webhook {number}")
    Api(boss).refused("post", "/webhooks/", GIVEN, 409, "too_many")
