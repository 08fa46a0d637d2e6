"""Webhooks: what happened reaches whoever wants it, signed, once or more, whatever the other side does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from standardwebhooks import Webhook as Reference
from standardwebhooks import WebhookVerificationError

from audience import live as engine
from audience.subjects import erasure
from integrations.models import Webhook, WebhookDelivery
from integrations.webhooks import delivering, events, keeping, noting
from kit import outside
from kit.models import AuditEntry, Notice, Setting
from kit.sql import run, sql
from lifecycle.handoffs import answering
from lifecycle.ledger import stages
from lifecycle.models import Handoff
from tests import factories
from tests.integrations import hooks
from tests.integrations.hooks import Receiver, status
from tests.lifecycle.handoffs import making

# Snapshots tell what other transactions wrote, so every verb commits.
pytestmark = pytest.mark.django_db(transaction=True)
State = WebhookDelivery.State


@pytest.fixture
def there(settings: Any) -> Iterator[Receiver]:
    """Another system."""
    made = Receiver(settings)
    yield made
    made.close()


def verified(secret: str, heard: Any) -> dict[str, Any]:
    """What was heard, once the reference library has verified it."""
    return Reference(secret).verify(heard.body, heard.headers)  # type: ignore[no-any-return]


def trial(hook: Webhook, **values: Any) -> WebhookDelivery:
    """A test that waits."""
    made = keeping.try_out(hook, by=None, now=timezone.now())
    WebhookDelivery.objects.filter(pk=made.pk).update(**values)
    made.refresh_from_db()
    return made


def later(**of: float) -> Any:
    return timezone.now() + timedelta(**of)


# ---- what is told ----


def test_a_hand_off_is_told_from_offer_to_answer_and_names_nobody(there: Receiver) -> None:
    hook, secret = hooks.hook(there.url("/crm"), *events.OF_HANDOFFS)
    _team, (sue, _tom) = making.team("Sue", "Tom")
    version = making.version()
    making.in_turns(version, _team)
    handoff = making.handed(version, email="ada.okafor@quux.example")
    assert hooks.deliver() == 2
    answering.accept(
        answering.one(handoff),
        answering.Saying(sue, Handoff.Route.PAGE, making.NOW + timedelta(hours=1), "Spoke today"),
    )
    hooks.deliver()
    assert there.types() == ["handoff.offered", "handoff.handed", "handoff.accepted"]
    told = [verified(secret, each) for each in there.heard]
    handed = told[1]["data"]
    assert (handed["handoff"], handed["person"]) == (handoff.pk, handoff.membership.person_id)
    assert (handed["lifecycle"], handed["stage"], handed["team"]) == ("handing", "mql", _team.pk)
    assert handed["user"] == sue.pk and told[2]["data"]["answered_by"] == sue.pk
    sent = b" ".join(each.body for each in there.heard).lower()
    assert not [word for word in (b"okafor", b"quux", b"spoke", b"sue", b"demo") if word in sent]
    assert set(hook.deliveries.values_list("state", "tries", "status")) == {("delivered", 1, 204)}


def test_a_move_is_told_by_the_slugs_of_its_stages_and_what_a_file_or_a_replay_tells_of_the_past_is_not(
    there: Receiver,
) -> None:
    hooks.hook(there.url(), "stage.changed")
    version = making.version()
    someone = making.handed(version).membership
    stages.move(
        someone, to=version.stages.get(slug="recycled"), reason="No", by=None, at=timezone.now(), now=timezone.now()
    )
    run(sql("ALTER TABLE lifecycle_movement DISABLE TRIGGER USER"))
    run(sql("UPDATE lifecycle_movement SET kind = 'replay' WHERE seq = 1"))
    run(sql("ALTER TABLE lifecycle_movement ENABLE TRIGGER USER"))
    hooks.deliver()
    assert [(each.told["data"]["from"], each.told["data"]["to"]) for each in there.heard] == [("mql", "recycled")]


def test_a_missed_limit_is_told_once_by_ids(there: Receiver) -> None:
    hooks.hook(there.url(), "limit.missed")
    version = factories.published(
        factories.SMALL.replace("{slug: lead, name: Lead}", "{slug: lead, name: Lead, kind: sla, limit_hours: 1}")
    )
    ada, since = factories.person(), timezone.now() - timedelta(days=5)
    assert stages.place(ada.pk, version, to=version.stages.get(slug="lead"), reason="", by=None, at=since, now=since)
    for _twice in range(2):
        engine.clock(timezone.now())
        hooks.deliver()
    [told] = [each.told for each in there.heard]
    assert told["type"] == "limit.missed" and told["data"]["person"] == ada.pk
    assert (told["data"]["lifecycle"], told["data"]["stage"]) == ("small", "lead")


def test_changed_rows_are_told_to_whoever_wants_their_kind_alone(there: Receiver) -> None:
    hooks.hook(there.url("/people"), "person.created", name="People")
    hooks.hook(there.url("/deals"), "deal.created", "deal.changed", name="Deals")
    ann = factories.person()
    hooks.deliver()
    assert [(each.path, each.told["data"]) for each in there.heard] == [("/people", {"kind": "person", "id": ann.pk})]


def test_what_happened_before_a_webhook_was_added_is_not_told(there: Receiver) -> None:
    factories.person()
    hooks.hook(there.url(), "person.created")
    assert hooks.deliver() == 0 and there.heard == []


def test_whoever_is_erased_before_the_event_leaves_is_told_by_id_alone(there: Receiver) -> None:
    hooks.hook(there.url(), "stage.changed", "person.changed", *events.OF_HANDOFFS)
    handoff = making.handed(making.version(), email="zoe@quux.example")
    noting.note(timezone.now())
    someone = handoff.membership.person
    assert someone is not None
    erasure.erase(someone, by=None, now=timezone.now())
    hooks.deliver()
    assert {each.told["type"] for each in there.heard} >= {"stage.changed", "handoff.offered", "handoff.withdrawn"}
    assert not [each for each in there.heard if b"quux" in each.body or b"okafor" in each.body.lower()]


# ---- signatures ----


def test_while_both_secrets_sign_either_verifies_and_afterwards_the_new_one_alone(there: Receiver) -> None:
    hook, first = hooks.hook(there.url())
    second = keeping.rotate(hook, both_for=timedelta(hours=24), by=None, now=timezone.now())
    trial(hook)
    hooks.deliver()
    [both] = there.heard
    assert verified(first, both) == verified(second, both)
    assert both.headers["webhook-signature"].count("v1,") == 2
    Webhook.objects.update(former_until=later(seconds=-1))
    trial(hook)
    hooks.deliver()
    assert verified(second, there.heard[1])
    with pytest.raises(WebhookVerificationError):
        verified(first, there.heard[1])


def test_a_former_secret_that_somebody_else_knows_signs_no_more_at_once(there: Receiver) -> None:
    hook, first = hooks.hook(there.url())
    second = keeping.rotate(hook, both_for=timedelta(0), by=None, now=timezone.now())
    trial(hook)
    hooks.deliver()
    assert verified(second, there.heard[0])
    with pytest.raises(WebhookVerificationError):
        verified(first, there.heard[0])


def test_no_secret_stands_in_the_database_as_it_is_and_one_that_cannot_be_read_pauses(
    there: Receiver, settings: Any
) -> None:
    hook, secret = hooks.hook(there.url())
    assert secret.startswith("whsec_") and secret.removeprefix("whsec_") not in str(Webhook.objects.values().get())
    trial(hook)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another one", []
    hooks.deliver()
    hook.refresh_from_db()
    assert hook.paused_at and "secret" in hook.paused_because and there.heard == []


# ---- failures and what follows ----


def test_a_failure_is_tried_again_by_the_same_id_until_it_is_taken(there: Receiver) -> None:
    hook, secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = status(500)
    made = trial(hook)
    hooks.deliver()
    made.refresh_from_db()
    waits = made.next_at - made.tried_at
    assert (made.state, made.tries, made.status) == (State.WAITING, 1, 500)
    assert timedelta(seconds=5) <= waits <= timedelta(seconds=6)
    assert hooks.deliver() == 0, "it is not due yet"
    there.answers.clear()
    hooks.deliver(made.next_at)
    made.refresh_from_db()
    assert (made.state, made.tries, made.status, len(made.log)) == (State.DELIVERED, 2, 204, 2)
    assert [each.id for each in there.heard] == [made.message_id] * 2
    assert verified(secret, there.heard[1])


def test_the_waits_grow_as_the_standard_has_them_and_after_the_tenth_try_it_is_a_dead_letter(
    there: Receiver,
) -> None:
    hook, _secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = status(500)
    made, at, waited = trial(hook), timezone.now(), []
    for _try in range(10):
        hooks.deliver(at)
        made.refresh_from_db()
        waited.append(made.next_at - at)
        at = made.next_at
    hours = [round(each.total_seconds() / 3600, 2) for each in waited[:9]]
    least = [0, 0.08, 0.5, 2, 5, 10, 14, 20, 24]
    assert all(low <= each <= low * 1.2 + 0.02 for low, each in zip(least, hours, strict=True)), hours
    assert (made.state, made.tries, len(there.heard)) == (State.DEAD, 10, 10)
    assert hooks.deliver(at + timedelta(days=9)) == 0
    [notice] = Notice.objects.filter(kind="webhook")
    assert notice.user == hooks.ada() and "CRM" in notice.title and "state=dead" in notice.link


@pytest.mark.parametrize("number", [301, 302, 307, 400, 404, 500])
def test_a_redirect_or_an_error_is_a_failure_and_nothing_is_followed(there: Receiver, number: int) -> None:
    hook, _secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = status(number, Location=there.url("/secret"))
    made = trial(hook)
    hooks.deliver()
    made.refresh_from_db()
    assert (made.state, made.status, made.failure) == (State.WAITING, number, "status")
    assert {each.path for each in there.heard} == {"/x"}


def test_410_pauses_it_with_a_notice_and_resuming_sends_what_waited(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url("/x"), "person.created")
    there.answers["/x"] = status(410)
    factories.person(), factories.person()
    assert hooks.deliver() == 1
    hook.refresh_from_db()
    assert hook.paused_at and "410" in hook.paused_because
    assert "paused" in Notice.objects.get(kind="webhook").title
    factories.person()
    assert hooks.deliver(later(days=2)) == 0 and hook.deliveries.filter(state=State.WAITING).count() == 3
    there.answers.clear()
    keeping.resume(hook, by=None, now=timezone.now())
    assert hooks.deliver(later(seconds=1)) == 3


@pytest.mark.parametrize("told", ["seconds", "date"])
def test_429_leaves_the_address_alone_for_as_long_as_it_asks(there: Receiver, told: str) -> None:
    hook, _secret = hooks.hook(there.url("/x"), "person.created")
    asked = later(hours=2)
    words = "7200" if told == "seconds" else format_datetime(asked, usegmt=False)
    there.answers["/x"] = status(429, Retry_After=words)
    factories.person(), factories.person()
    assert hooks.deliver() == 1, "the other one is not tried in vain"
    assert hooks.deliver(later(hours=1, minutes=55)) == 0
    there.answers.clear()
    assert hooks.deliver(later(hours=2, minutes=30)) == 2


@pytest.mark.parametrize("words", ["-5", "soon", "9" * 99, "Mon, 99 Foo 2025", "", "1e9", "٣"])
def test_a_retry_after_that_means_nothing_or_too_much_stops_nobody_for_long(there: Receiver, words: str) -> None:
    hook, _secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = lambda handler, _heard: _raw(handler, f"HTTP/1.1 429 x\r\nRetry-After: {words}\r\n\r\n")
    made = trial(hook)
    hooks.deliver()
    made.refresh_from_db()
    assert made.tries == 1 and made.next_at <= later(days=1, seconds=1)


def test_an_address_that_does_not_answer_is_given_up_after_days_and_everything_replays(
    there: Receiver, settings: Any
) -> None:
    """A dead endpoint's events replay."""
    hook, secret = hooks.hook(there.url("/x"), "person.created")
    there.close()
    people = [factories.person() for _each in range(30)]
    noting.note(timezone.now())
    at, tried = timezone.now(), 0
    while hook.deliveries.filter(state=State.WAITING).exists():
        tried += hooks.deliver(at)
        at += timedelta(hours=6)
        assert at < later(days=10)
    assert hook.deliveries.filter(state=State.DEAD).count() == 30
    assert tried < 30, "its other events were not all tried in vain"
    assert set(hook.deliveries.values_list("failure", flat=True)) <= {"unreached", "broken"}
    assert Notice.objects.filter(kind="webhook").count() == 1, "and said once"
    again = Receiver(settings)
    ids = {each.message_id for each in hook.deliveries.all()}
    keeping.change(hook, name="CRM", url=again.url(), wanted=hook.events, by=None, now=at)
    assert keeping.send_dead_again(hook, by=None, now=timezone.now()) == 30
    assert hooks.deliver() == 30
    again.close()
    assert {each.id for each in again.heard} == ids
    assert [verified(secret, each)["data"]["id"] for each in again.heard] == [each.pk for each in people]


def _raw(handler: Any, text: str) -> None:
    handler.wfile.write(text.encode("utf-8"))
    handler.close_connection = True


def _endless_body(handler: Any, _heard: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    block = b"x" * 65536
    for _each in range(160):  # ten megabytes, at a time at which nobody listens any more
        handler.wfile.write(block)
        time.sleep(0.01)


def _endless_head(handler: Any, _heard: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-More: " + b"y" * 2000 + b"\r\n")


def _drip(handler: Any, _heard: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for each in range(600):
        handler.wfile.write(b"X-%d: a\r\n" % each)
        time.sleep(0.05)


def _continue_for_ever(handler: Any, _heard: Any) -> None:
    for _each in range(600):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def _silence(_handler: Any, _heard: Any) -> None:
    time.sleep(30)


def _bomb(handler: Any, _heard: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    handler.wfile.write(b"\x1f\x8b" + b"\0" * 4096)


@pytest.mark.parametrize("answer", [_endless_body, _bomb])
def test_of_an_answer_nothing_but_its_head_is_read(there: Receiver, answer: Any) -> None:
    hook, _secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = answer
    made, began = trial(hook), time.monotonic()
    hooks.deliver()
    made.refresh_from_db()
    assert (made.state, made.status) == (State.DELIVERED, 200) and time.monotonic() - began < 5


@pytest.mark.parametrize(
    "answer, failure",
    [(_endless_head, "broken"), (_drip, "time"), (_continue_for_ever, "time"), (_silence, "time"),
     (lambda handler, _heard: _raw(handler, "\0garbage\r\n\r\n"), "broken")],
)  # fmt: skip
def test_an_answer_without_an_end_is_none(
    there: Receiver, answer: Any, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "WITHIN", 1.0)
    hook, _secret = hooks.hook(there.url("/x"))
    there.answers["/x"] = answer
    made, began = trial(hook), time.monotonic()
    hooks.deliver()
    made.refresh_from_db()
    assert (made.state, made.failure, made.status) == (State.WAITING, failure, None)
    assert time.monotonic() - began < 10


def test_a_slow_address_holds_no_other_one_up(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "WITHIN", 3.0)
    there.answers["/slow"] = _silence
    for number in range(3):
        slow, _secret = hooks.hook(there.url("/slow"), name=f"Slow {number}")
        trial(slow)
    quick, _secret = hooks.hook(there.url("/quick"), name="Quick")
    for _each in range(5):
        trial(quick)
    began = time.monotonic()
    hooks.deliver()
    taken = [each.at - began for each in there.heard if each.path == "/quick"]
    assert len(taken) == 5 and max(taken) < 2.5


# ---- where it leads ----


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://2130706433/",
     "https://localhost/x", "http://[::ffff:10.0.0.1]/"],
)  # fmt: skip
def test_no_webhook_reaches_this_machine_or_its_neighbours(url: str) -> None:
    hook, _secret = hooks.hook(url)
    made = trial(hook)
    hooks.deliver()
    made.refresh_from_db()
    assert (made.state, made.failure, made.status) == (State.WAITING, "inside", None)


@pytest.mark.parametrize(
    "url", ["ftp://x.example/", "https://x.example:8443/", "https://u:p@x.example/", "", "x" * 2000]
)
def test_what_is_no_address_of_the_web_is_not_kept(url: str) -> None:
    with pytest.raises(keeping.Refused) as refused:
        hooks.hook(url)
    assert refused.value.code == "bad_address" and not Webhook.objects.exists()


def test_a_name_that_leads_inside_once_the_webhook_is_kept_is_asked_nothing(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    hook, _secret = hooks.hook("http://rebound.example/")
    told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", there.port))]
    monkeypatch.setattr(outside.socket, "getaddrinfo", lambda *_asked, **_more: told)
    made = trial(hook)
    hooks.deliver()
    made.refresh_from_db()
    assert made.failure == "inside" and there.heard == []


def test_a_copy_of_the_installation_tells_nobody_anything(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url())
    trial(hook)
    Setting.objects.filter(key="instance").update(value={"host": "another", "place": "elsewhere"})
    assert hooks.deliver() == 0 and there.heard == []


# ---- nothing is lost, nothing at once twice ----


def test_a_restored_database_begins_from_now(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url(), "person.created")
    Webhook.objects.update(here="elsewhere", seen="999999999:999999999:")
    factories.person()
    assert noting.note(timezone.now()) == 0
    hook.refresh_from_db()
    assert hook.here != "elsewhere"


def test_what_was_sent_but_not_noted_is_sent_again_by_the_same_id(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker killed between the two leaves it."""
    hook, _secret = hooks.hook(there.url())
    made = trial(hook)

    def killed(_outcome: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(delivering, "note_outcome", killed)
    with pytest.raises(KeyboardInterrupt):
        hooks.deliver()
    monkeypatch.undo()
    assert hooks.deliver() == 0, "whoever was killed still holds it"
    Webhook.objects.update(held_until=later(hours=-1))
    assert hooks.deliver() == 1
    assert [each.id for each in there.heard] == [made.message_id] * 2
    made.refresh_from_db()
    assert made.state == State.DELIVERED


SENDER = """
import sys
import django
from django.conf import settings
django.setup()
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.REACHABLE_IN_TESTS = {("127.0.0.1", int(sys.argv[2]))}
from django.utils import timezone
from integrations.webhooks import delivering
delivering.run_all(timezone.now, longest=5)
"""


def test_senders_that_are_killed_while_they_send_lose_nothing_and_repeat_no_more_than_what_was_under_way(
    there: Receiver,
) -> None:
    """Each of the first three is killed when its third event has arrived and before it has the answer."""
    hook, _secret = hooks.hook(there.url("/x"), "person.created")
    for _each in range(12):
        factories.person()
    victims: list[subprocess.Popen[bytes]] = []

    def kills(handler: Any, heard: Any) -> None:
        if len(victims) <= 3 and len(there.heard) % 3 == 0:
            victims[-1].kill()
            return
        status(204)(handler, heard)

    there.answers["/x"] = kills
    told = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    name = connection.settings_dict["NAME"]
    while hook.deliveries.filter(state=State.WAITING).exists() or not victims:
        assert len(victims) < 8
        Webhook.objects.update(held_until=None)
        command = [sys.executable, "-c", SENDER, str(name), str(there.port)]
        victims.append(subprocess.Popen(command, env=told, cwd=settings.BASE_DIR))
        victims[-1].wait(60)
    assert [each.returncode for each in victims[:3]] == [-9, -9, -9]
    ids = {each.message_id for each in hook.deliveries.all()}
    assert {each.id for each in there.heard} == ids and len(ids) == 12
    assert len(there.heard) == 12 + 3


def test_an_outcome_that_comes_after_it_was_sent_again_does_not_count(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url())
    made = trial(hook)
    late = delivering.Outcome(made, timezone.now(), 1.0, 500, "status")
    hooks.deliver()
    delivering.note_outcome(late)
    made.refresh_from_db()
    assert (made.state, made.tries) == (State.DELIVERED, 1)


def test_paused_nothing_leaves_and_what_happens_waits(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url(), "person.created")
    keeping.pause(hook, by=None, now=timezone.now())
    factories.person()
    assert hooks.deliver() == 0 and hook.deliveries.get().state == State.WAITING
    keeping.resume(hook, by=None, now=timezone.now())
    assert hooks.deliver(later(seconds=1)) == 1


def test_by_night_what_is_old_goes_and_what_a_pause_held_for_too_long_is_given_up(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url(), "person.created")
    old = {"ended_at": later(days=-31), "since": later(days=-40)}
    trial(hook, state=State.DELIVERED, **old)
    dead = trial(hook, state=State.DEAD, **old)
    waits = trial(hook, since=later(days=-31))
    keeping.pause(hook, by=None, now=timezone.now())
    delivering.forget(timezone.now())
    assert set(hook.deliveries.values_list("pk", "state")) == {(dead.pk, "dead"), (waits.pk, "dead")}
    delivering.forget(later(days=100))
    assert not hook.deliveries.exists()


def test_the_trail_keeps_neither_secret_nor_path(there: Receiver) -> None:
    hook, secret = hooks.hook("https://hooks.example.com/T0000/private")
    keeping.change(
        hook, name="CRM", url="https://hooks.example.com/T1/private", wanted=hook.events, by=None, now=timezone.now()
    )
    keeping.rotate(hook, both_for=timedelta(hours=1), by=None, now=timezone.now())
    keeping.remove(hook, by=None, now=timezone.now())
    told = str(list(AuditEntry.objects.values_list("action", "target", "before", "after")))
    assert "webhook.rotate" in told and "private" not in told and secret not in told


def test_several_workers_send_each_delivery_once(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url("/x"), "person.created")
    there.answers["/x"] = lambda handler, heard: (time.sleep(0.01), status(204)(handler, heard))[1]
    for _each in range(40):
        factories.person()

    def work() -> None:
        try:
            hooks.deliver(longest=20)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _each in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(there.heard) == 40 == len({each.id for each in there.heard})
    assert [each.told["data"]["id"] for each in there.heard] == sorted(each.told["data"]["id"] for each in there.heard)
    assert set(hook.deliveries.values_list("state", flat=True)) == {"delivered"}


def test_who_commits_late_misses_nothing_and_holds_nobody_back(there: Receiver) -> None:
    hook, _secret = hooks.hook(there.url(), "person.created")
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                factories.person(first_name="Slow")
                begun.set()
                go_on.wait(20)
        finally:
            connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    assert begun.wait(20)
    factories.person(first_name="Quick")
    assert noting.note(timezone.now()) == 1
    go_on.set()
    writer.join()
    assert noting.note(timezone.now()) == 1 and noting.note(timezone.now()) == 0
    assert hook.deliveries.count() == 2
