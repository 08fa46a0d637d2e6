"""The SMTP client: what each answer and each silence means, and that it never claims to know what it cannot."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from campaigns import channels, sending
from campaigns.channels import ACCEPTED, BOUNCED, DEFERRED, POLICY, REFUSED, UNKNOWN, Down, Outcome, smtp
from campaigns.models import ChannelSetting, Message, MessageAttempt
from faults import sink
from kit import instance, secrets
from tests.campaigns import crashing as crashes
from tests.campaigns.mailing import email, plain, plainly, queued, reader, running
from tests.factories import NOW

PIPELINED = ("PIPELINING", "ENHANCEDSTATUSCODES")
SERVERS = pytest.mark.parametrize("extensions", [PIPELINED, ()], ids=["pipelined", "step by step"])


def channel(port: int, secret: str = "", **settings: Any) -> smtp.Smtp:
    told = {"host": "127.0.0.1", "port": port, "security": "none"} | settings
    return smtp.Smtp(ChannelSetting(channel="email", provider="smtp", settings=told, secret=secret))


def letters(number: int, to: str = "anna@example.com") -> list[channels.Outgoing]:
    return [plain(uuid.uuid4(), to) for _ in range(number)]


def send(port: int, batch: list[channels.Outgoing]) -> tuple[list[Outcome], bool]:
    """What became of a batch on one connection, and whether that may be used again."""
    with channel(port) as provider:
        way = provider.way()
        told = way.send(batch)
        assert [each.id for each in told] == [each.id for each in batch], "one outcome for each, in their order"
        return told, way.ready()


# ---- the plain way ----


@SERVERS
def test_a_batch_arrives_on_one_connection_each_message_once_and_whole(extensions):
    batch = letters(30)
    with sink.running(extensions=extensions, keep=True) as server:
        told, ready = send(server.port, batch)
        assert {each.result for each in told} == {ACCEPTED} and ready
        assert [each.id for each in server.taken] == [str(each.id) for each in batch]
        assert [each.raw for each in server.taken] == [each.raw for each in batch]
        assert server.sink.connected == 1
    assert (told[0].code, told[0].enhanced, told[0].reply) == (250, "2.0.0", "Taken")


def test_pipelining_takes_one_round_trip_a_message(monkeypatch):
    """Whatever is written between two answers is one write: the end of a message and the beginning of the next."""
    writes: list[bytes] = []
    write = smtp.Wire.write
    monkeypatch.setattr(smtp.Wire, "write", lambda self, data: (writes.append(data), write(self, data))[1])
    with sink.running() as server:
        send(server.port, letters(10))
    assert len(writes) == 1 + 1 + 10 + 1, "EHLO, the first MAIL RCPT DATA, ten messages, QUIT"


@pytest.mark.parametrize("body, wire", [
    (b"\r\n.\r\nMAIL FROM:<x@y>\r\n", b"\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"),
    (b".leading\r\n..two", b"..leading\r\n...two\r\n.\r\n"),
    (b"a\n.\nb\r.\rc", b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"),
    (b"", b"\r\n.\r\n"),
])  # fmt: skip
def test_no_line_of_a_message_can_end_it(body, wire):
    assert smtp.dotted(body) == wire
    assert smtp.dotted(body).count(b"\r\n.\r\n") == 1


@pytest.mark.parametrize(
    "address", ["a b@example.com", "a@b.c>\r\nRCPT TO:<x@y.z", "jürgen@example.com", "", "a<b@c.d"]
)
def test_an_address_that_no_envelope_carries_is_refused_without_a_word_to_the_server(address):
    good = letters(1)[0]
    with sink.running() as server:
        told, ready = send(server.port, [plain(uuid.uuid4(), address), good, plain(uuid.uuid4(), address)])
        assert [each.result for each in told] == [REFUSED, ACCEPTED, REFUSED] and ready
        assert [each.id for each in server.taken] == [str(good.id)]


@SERVERS
def test_a_sender_that_no_envelope_carries_lends_its_reader_to_nobody_else(extensions):
    """The commands of the next message leave with the one before: begun ahead must be what is carried next."""
    first, wrong, last = (plain(uuid.uuid4(), f"{name}@example.com") for name in "abc")
    wrong = channels.Outgoing(wrong.id, "ada@bücher.example", wrong.recipient, wrong.raw)
    with sink.running(extensions=extensions, keep=True) as server:
        told, _ready = send(server.port, [first, wrong, last])
        assert [each.result for each in told] == [ACCEPTED, REFUSED, ACCEPTED]
        assert [(each.id, each.recipient) for each in server.taken] == [
            (str(each.id), each.recipient) for each in (first, last)
        ]


@pytest.mark.parametrize("host", ["smtp..example.com", f"{'a' * 64}.example"])
def test_a_name_that_no_server_can_have_is_down_like_one_that_is_away(host):
    with pytest.raises(Down, match="no server can be called so"):
        channel(25, host=host).ways(1)


# ---- every refusal ----


REFUSALS = {
    "450@mail": (DEFERRED, "mail", 450), "452@mail": (DEFERRED, "mail", 452), "554@mail": (REFUSED, "mail", 554),
    "5.7.1@mail": (POLICY, "mail", 550), "5.1.1@mail": (REFUSED, "mail", 550),
    "450@recipient": (DEFERRED, "recipient", 450), "451@recipient": (DEFERRED, "recipient", 451),
    "554@recipient": (REFUSED, "recipient", 554), "5.1.1@recipient": (BOUNCED, "recipient", 550),
    "5.7.1@recipient": (POLICY, "recipient", 550),
    "451@data": (DEFERRED, "data", 451), "554@data": (REFUSED, "data", 554),
    "451@dot": (DEFERRED, "dot", 451), "452@dot": (DEFERRED, "dot", 452), "552@dot": (REFUSED, "dot", 552),
    "5.1.1@dot": (BOUNCED, "dot", 550), "5.7.1@dot": (POLICY, "dot", 550),
}  # fmt: skip


@SERVERS
def test_a_no_is_understood_wherever_it_comes_and_the_others_go_on(extensions):
    for fault, (result, phase, code) in REFUSALS.items():
        for place in range(3):
            batch = letters(3)
            with sink.running(extensions=extensions) as server, channel(server.port) as provider:
                way = provider.way()
                first = way.send(batch[:place]) if place else []
                server.ask(fault)
                told = first + way.send(batch[place:])
                assert (told[place].result, told[place].phase, told[place].code) == (result, phase, code), fault
                others = [each for each in told if each is not told[place]]
                assert {each.result for each in others} == {ACCEPTED}, fault
                assert way.ready() and server.sink.connected == 1, fault
                assert sorted(each.id for each in server.taken) == sorted(str(each.id) for each in others), fault


ENDS = {  # what ends the connection: what is then known of the message, and whether the server had taken it
    "421@mail": (DEFERRED, False), "cut@mail": (DEFERRED, False), "garbage@mail": (DEFERRED, False),
    "421@recipient": (DEFERRED, False), "cut@recipient": (DEFERRED, False), "garbage@recipient": (DEFERRED, False),
    "421@data": (DEFERRED, False), "cut@data": (DEFERRED, False), "garbage@data": (DEFERRED, False),
    "421@dot": (DEFERRED, False), "cut@dot": (UNKNOWN, True), "drop@dot": (UNKNOWN, False),
    "garbage@dot": (UNKNOWN, True),
}  # fmt: skip


@SERVERS
def test_what_ends_the_connection_leaves_no_doubt_but_after_the_dot(extensions):
    for fault, (result, taken) in ENDS.items():
        batch = letters(4)
        with sink.running(extensions=extensions) as server, channel(server.port) as provider:
            way = provider.way()
            before = way.send(batch[:1])
            server.ask(fault)
            told = before + way.send(batch[1:])
            assert [each.result for each in told[:2]] == [ACCEPTED, result], fault
            assert [(each.result, each.began) for each in told[2:]] == [(DEFERRED, False)] * 2, fault
            assert not way.ready(), "it is never used again"
            assert provider.way() is not way
            assert [each.id for each in server.taken] == [str(each.id) for each in batch[: 1 + taken]], fault


@SERVERS
@pytest.mark.parametrize("phase, result", [
    ("mail", DEFERRED), ("recipient", DEFERRED), ("data", DEFERRED), ("dot", UNKNOWN),
])  # fmt: skip
def test_silence_is_waited_out_and_means_the_same(extensions, phase, result, monkeypatch):
    monkeypatch.setattr(smtp, "PATIENCE", smtp.PATIENCE | {phase: 0.3})
    with sink.running(extensions=extensions) as server, channel(server.port) as provider:
        way = provider.way()
        server.ask(f"silence@{phase}")
        told = way.send(letters(2))
        assert (told[0].result, told[0].phase, told[0].reply) == (result, phase, "no answer in time")
        assert not told[1].began and not way.ready()


def test_a_cut_in_the_middle_of_a_large_message_is_a_definite_no():
    large = plain(uuid.uuid4(), "anna@example.com", "x" * 60 + "\r\n" * 1 + ("y" * 70 + "\r\n") * 300_000)
    with sink.running() as server:
        server.ask("cut@body")
        told, _ready = send(server.port, [large, *letters(1)])
        assert told[0].result == DEFERRED and told[0].phase == "data" and not told[1].began
        assert server.taken == []


def test_what_takes_too_long_begins_no_further_message(monkeypatch):
    monkeypatch.setattr(smtp, "BUDGET", -1.0)
    with sink.running() as server:
        told, ready = send(server.port, letters(3))
        assert [each.began for each in told] == [False] * 3 and ready and server.taken == []


def test_a_server_that_says_goodbye_in_between_is_asked_anew():
    with sink.running() as server, channel(server.port) as provider:
        way = provider.way()
        way.send(letters(1))
        server.cut()
        assert not way.ready() and provider.way() is not way
        assert provider.way().send(letters(1))[0].result == ACCEPTED


# ---- answers by hand, byte by byte ----


@contextmanager
def saying(*answers: bytes) -> Iterator[int]:
    """A server that says these things, each after it has heard something; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _peer = listener.accept()
        with line:
            for place, answer in enumerate(answers):
                if place and not line.recv(65536):
                    return
                line.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
    thread.join(5)


HELLO = (b"220 hi\r\n", b"250-me\r\n250 PIPELINING\r\n")


def test_an_answer_of_several_lines_is_one():
    with saying(*HELLO, b"250 ok\r\n550-5.1.1 Nobody\r\n550 5.1.1 of this name\r\n554 no\r\n") as port:
        told, _ready = send(port, letters(1))
    assert (told[0].result, told[0].enhanced, told[0].reply) == (BOUNCED, "5.1.1", "Nobody of this name")


@pytest.mark.parametrize("last", [
    b"", b"2", b"hello\r\n", b"354 again\r\n", b"250-taken\r\n", b"250-a\r\n550 b\r\n", b"999 what\r\n", b"2" * 9000,
])  # fmt: skip
def test_whatever_is_no_answer_after_the_dot_leaves_the_message_unknown(last):
    with saying(*HELLO, b"250 ok\r\n250 ok\r\n354 go\r\n", last) as port:
        told, ready = send(port, letters(1))
    assert told[0].result == UNKNOWN and not ready


def test_a_server_that_wants_a_message_for_nobody_gets_a_dot_alone():
    heard = b"250 ok\r\n550 5.1.1 no\r\n354 go\r\n"
    with saying(
        *HELLO, heard, b"554 nobody\r\n", b"250 reset\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 ok\r\n"
    ) as port:
        told, _ready = send(port, letters(2))
    assert [each.result for each in told] == [BOUNCED, ACCEPTED]


def test_a_refusal_without_an_enhanced_code_suppresses_nobody():
    with saying(*HELLO, b"250 ok\r\n550 no such user, or so\r\n503 no\r\n") as port:
        assert send(port, letters(1))[0][0].result == REFUSED


def test_a_server_that_knows_no_ehlo_is_spoken_to_plainly():
    said = (b"220 hi\r\n", b"502 what\r\n", b"250 hi\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 ok\r\n")
    with saying(*said) as port:
        assert send(port, letters(1))[0][0].result == ACCEPTED


# ---- being let in ----


def down(provider: smtp.Smtp) -> str:
    with pytest.raises(Down) as why:
        provider.way()
    return str(why.value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_whoever_cannot_be_reached_or_will_not_have_us_is_down_and_says_why():
    assert "refused" in down(channel(free_port()))
    assert "nowhere.invalid" in down(channel(25, host="nowhere.invalid"))
    for fault, words in {"421@connect": "Closing for now", "cut@connect": "", "garbage@hello": "no answer but"}.items():
        with sink.running() as server:
            server.ask(fault)
            assert words in down(channel(server.port))


def test_a_password_is_asked_for_and_given():
    with sink.running(login=("ada", "correct horse")) as server:
        good = channel(server.port, secrets.seal("correct horse"), user="ada")
        assert good.way().send(letters(1))[0].result == ACCEPTED
        assert "535 5.7.8" in down(channel(server.port, secrets.seal("wrong"), user="ada"))
        unsigned = channel(server.port).way().send(letters(1))[0]
        assert (unsigned.result, unsigned.phase) == (POLICY, "mail"), "which pauses the channel"
        assert "cannot be read any more" in down(channel(server.port, "sealed by another key", user="ada"))


def test_login_is_spoken_where_plain_is_not(monkeypatch):
    offered = sink.Conversation._hello
    monkeypatch.setattr(
        sink.Conversation, "_hello", lambda self: offered(self).replace(b"AUTH PLAIN LOGIN", b"AUTH LOGIN")
    )
    with sink.running(login=("ada", "pass")) as server:
        assert channel(server.port, secrets.seal("pass"), user="ada").way().send(letters(1))[0].result == ACCEPTED


def test_a_password_never_leaves_in_the_clear_for_another_machine(monkeypatch):
    monkeypatch.setattr(smtp, "LOOPBACK", ())
    with sink.running(login=("ada", "x")) as server:
        assert "encrypted" in down(channel(server.port, secrets.seal("x"), user="ada"))


@pytest.fixture
def pem(tmp_path: Path, monkeypatch: Any) -> Path:
    """A certificate that this process trusts."""
    made = sink.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    return made


def test_starttls_encrypts_before_anything_is_said(pem):
    with sink.running(tls=sink.encryption(pem), login=("ada", "x")) as server:
        provider = channel(server.port, secrets.seal("x"), user="ada", security="starttls", host="localhost")
        assert "encrypted (TLSv1" in provider.tried()
        told = provider.way().send(letters(30))
        assert {each.result for each in told} == {ACCEPTED} and len(server.taken) == 30
        assert isinstance(provider.way().wire.sock, ssl.SSLSocket)


def test_who_should_encrypt_and_cannot_or_is_not_trusted_is_down(pem, monkeypatch):
    with sink.running() as server:
        assert "STARTTLS" in down(channel(server.port, security="starttls"))
    with sink.running(tls=sink.encryption(pem)) as server:
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "certificate is not trusted" in down(channel(server.port, security="starttls", host="localhost"))


def test_what_is_said_before_the_encryption_begins_is_not_believed(pem):
    with saying(b"220 hi\r\n", b"250-me\r\n250 STARTTLS\r\n", b"220 go\r\n250 me\r\n") as port:
        assert "somebody speaks" in down(channel(port, security="starttls"))


def test_implicit_tls_encrypts_from_the_first_byte(pem):
    listener = sink.encryption(pem).wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
    said = [b"220 hi\r\n", *HELLO[1:], b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 2.0.0 ok\r\n"]

    def serve() -> None:
        line, _peer = listener.accept()
        with line:
            for place, answer in enumerate(said):
                if place:
                    line.recv(65536)
                line.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        provider = channel(listener.getsockname()[1], security="tls", host="localhost")
        assert provider.way().send(letters(1))[0].result == ACCEPTED


# ---- through the protocol of delivery ----


@pytest.fixture
def server() -> Iterator[sink.Running]:
    with sink.running(keep=True) as found:
        yield found


@pytest.fixture
def by_smtp(db: None, server: sink.Running) -> sink.Running:
    email(provider="smtp", settings={"host": "127.0.0.1", "port": server.port, "security": "none"})
    return server


def test_messages_leave_and_what_the_server_said_stands_beside_each(by_smtp):
    version = running()
    gone, wrong, later = queued(version), queued(version, reader(email="nobody@example.com")), queued(version)
    by_smtp.sink.faults.of_recipient = lambda address: "5.1.1@recipient" if address.startswith("nobody") else ""  # type: ignore[method-assign]
    sending.run_all(NOW, write=plainly)
    assert dict(Message.objects.values_list("pk", "state")) == {gone.pk: "sent", wrong.pk: "failed", later.pk: "sent"}
    assert {each.id for each in by_smtp.taken} == {str(gone.pk), str(later.pk)}
    attempt = MessageAttempt.objects.get(message=wrong)
    assert (attempt.phase, attempt.code, attempt.enhanced) == ("recipient", 550, "5.1.1")


def test_a_cut_after_the_dot_leaves_one_unknown_and_the_rest_leaves_on_another_connection(by_smtp):
    version = running()
    for _ in range(10):
        queued(version)
    by_smtp.ask("cut@dot")
    sending.run_all(NOW, write=plainly)
    assert crashes.states() == {"sent": 9, "unknown": 1} and by_smtp.sink.connected == 2
    assert len({each.id for each in by_smtp.taken}) == len(by_smtp.taken) == 10


def test_an_answer_that_no_row_can_hold_is_written_down_without_what_it_cannot(by_smtp):
    version = running()
    for _ in range(3):
        queued(version)
    by_smtp.ask("garbage@recipient", "garbage@dot")
    sending.run_all(NOW, write=plainly)
    assert crashes.states() == {"queued": 1, "unknown": 1, "sent": 1}
    assert "\x00" in sink.GARBAGE.decode("latin-1"), "it would be refused as it came"


def test_a_worker_sends_over_several_connections_at_once_and_no_more_is_in_the_air_on_each(by_smtp, monkeypatch):
    """With a server that takes its time, four connections need a quarter of it."""
    email(batch=2, settings=email().settings | {"connections": 4})
    version = running()
    for _ in range(16):
        queued(version)
    handed: list[int] = []
    carry = smtp.Session.send
    monkeypatch.setattr(smtp.Session, "send", lambda self, batch: (handed.append(len(batch)), carry(self, batch))[1])
    monkeypatch.setattr(sink, "SLOW", 0.05)
    by_smtp.ask(*["slow@dot"] * 16)
    began = time.monotonic()
    sending.run_all(NOW, write=plainly)
    assert crashes.states() == {"sent": 16} and len({each.id for each in by_smtp.taken}) == 16
    assert by_smtp.sink.connected == 4 and handed == [2] * 8
    assert time.monotonic() - began < 16 * 0.05


def test_connections_that_a_server_will_not_have_are_done_without(by_smtp):
    email(batch=1, settings=email().settings | {"connections": 3})
    version = running()
    for _ in range(4):
        queued(version)
    by_smtp.sink.faults.of_connection = lambda number: "" if number == 1 else "421@connect"  # type: ignore[method-assign]
    sending.run_all(NOW, write=plainly)
    assert crashes.states() == {"sent": 4} and by_smtp.sink.connected == 2, "it asked for a second one once"
    assert email().paused_at is None


def test_a_connection_that_is_cut_costs_only_what_was_in_the_air_on_it(by_smtp):
    email(batch=2, settings=email().settings | {"connections": 2})
    version = running()
    for _ in range(8):
        queued(version)
    by_smtp.ask("cut@dot")
    sending.run_all(NOW, write=plainly)
    assert crashes.states() == {"sent": 7, "unknown": 1}
    assert len({each.id for each in by_smtp.taken}) == len(by_smtp.taken) == 8


def test_a_server_that_is_away_pauses_the_channel_and_it_goes_on_by_itself(db):
    port = free_port()
    email(provider="smtp", settings={"host": "127.0.0.1", "port": port, "security": "none"})
    message = queued(running())
    sending.run_all(NOW, write=plainly)
    setting = email()
    assert setting.paused_at and "refused" in setting.paused_because
    with sink.running(port=port):
        sending.run_all(setting.retry_at, write=plainly)
    message.refresh_from_db()
    assert message.state == "sent" and email().paused_at is None


@pytest.mark.django_db(transaction=True)
def test_each_line_of_the_crash_table_holds_for_a_server_that_keeps_a_journal(tmp_path):
    """At most one of a batch of two has its dot out at once, so a crash there leaves the other taken by nobody."""
    journal = tmp_path / "journal"
    command = [sys.executable, "-m", "faults.sink", "--journal", str(journal)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        email(provider="smtp", batch=crashes.BATCH, settings={"host": "127.0.0.1", "port": port, "security": "none"})
        assert instance.is_live()
        version = running()
        for fault, (left, taken) in SMTP_TABLE.items():
            these, before = crashes.five(version), len(sink.read(journal))
            assert crashes.ended(crashes.start(fault)) == -signal.SIGKILL, fault
            assert (crashes.states(these), len(sink.read(journal)) - before) == (left, taken), fault
            in_the_air = left.get("sending", 0)
            crashes.time_goes_on()
            ends = {"sent": 5 - in_the_air, "unknown": in_the_air}
            assert crashes.states(these) == {state: number for state, number in ends.items() if number}, fault
        found = [each.id for each in sink.read(journal)]
        assert len(found) == len(set(found)), "a message was taken twice"
        sent = set(map(str, Message.objects.filter(state="sent").values_list("pk", flat=True)))
        unknown = set(map(str, Message.objects.filter(state="unknown").values_list("pk", flat=True)))
        assert sent <= set(found) <= sent | unknown
    finally:
        process.terminate()
        process.wait(10)


SMTP_TABLE = {
    "after-claim": ({"claimed": 5}, 0),
    "in-rendering": ({"claimed": 5}, 0),
    "before-intent": ({"claimed": 5}, 0),
    "after-intent": ({"sending": 2, "claimed": 3}, 0),
    "before-dot": ({"sending": 2, "claimed": 3}, 0),
    "after-dot": ({"sending": 2, "claimed": 3}, 1),
    "after-dot@2": ({"sending": 2, "claimed": 3}, 2),
    "before-intent@2": ({"sending": 2, "claimed": 3}, 2),
    "after-intent@2": ({"sent": 2, "sending": 2, "claimed": 1}, 2),
    "before-dot@4": ({"sent": 2, "sending": 2, "claimed": 1}, 3),
    "before-outcome": ({"sent": 4, "sending": 1}, 5),
    "after-outcome": ({"sent": 5}, 5),
}
