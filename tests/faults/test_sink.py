"""The mail server that fails on purpose: what it takes is written down before anybody is told, and no fault is vague."""

from __future__ import annotations

import smtplib
import socket
import ssl
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

from faults import sink

ANNA = "anna@example.com"


def letter(identity: uuid.UUID | str, body: str = "Hello.") -> str:
    return f"From: us@example.org\r\nMessage-ID: <{identity}@perennial.example>\r\nSubject: Hi\r\n\r\n{body}\r\n"


def send(port: int, *identities: uuid.UUID, to: str = ANNA) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        for identity in identities:
            client.sendmail("us@example.org", [to], letter(identity))


def test_each_message_is_in_the_journal_before_its_sender_is_told(tmp_path: Path) -> None:
    journal, first, second = tmp_path / "journal", uuid.uuid4(), uuid.uuid4()
    with (
        sink.running(journal=journal) as server,
        smtplib.SMTP("127.0.0.1", server.port) as client,
    ):
        for place, identity in enumerate((first, second)):
            client.sendmail("us@example.org", [ANNA], letter(identity))
            assert [taken.id for taken in sink.read(journal)][place] == str(identity)
    assert sink.read(journal) == [sink.Taken(str(each), ANNA, "answered") for each in (first, second)]


def test_a_message_is_kept_byte_by_byte_when_nothing_is_journalled() -> None:
    with sink.running() as server:
        identity = uuid.uuid4()
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.sendmail("us@example.org", [ANNA], letter(identity, ".dots\r\n..more\r\n.").encode())
        [taken] = server.taken
    assert taken.id == str(identity) and taken.sender == "us@example.org"
    assert taken.raw.endswith(b"\r\n\r\n..dots\r\n...more\r\n..\r\n"), "as it came over the wire"


def test_pipelined_commands_are_answered_in_order_wherever_the_packets_end() -> None:
    whole = b"EHLO x\r\n" + b"".join(
        b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n" + letter(uuid.UUID(int=n)).encode() + b".\r\n"
        for n in range(3)
    )
    for step in (1, 7, len(whole)):
        with sink.running() as server, socket.create_connection(("127.0.0.1", server.port)) as line:
            for start in range(0, len(whole), step):
                line.sendall(whole[start : start + step])
            line.sendall(b"QUIT\r\n")
            said = line.makefile("rb").read().decode()
            codes = [each[:3] for each in said.splitlines() if each[3] == " "]
            assert codes == ["220", "250"] + ["250", "250", "354", "250"] * 3 + ["221"]
            assert [taken.id for taken in server.taken] == [str(uuid.UUID(int=n)) for n in range(3)]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("452@mail", 452), ("450@recipient", 450), ("5.1.1@recipient", 550), ("5.7.1@recipient", 550),
        ("451@data", 451), ("451@dot", 451), ("5.7.1@dot", 550), ("421@mail", 421), ("421@dot", 421),
    ],
)  # fmt: skip
def test_a_refusal_is_told_and_nothing_is_taken(fault: str, code: int) -> None:
    with sink.running() as server:
        server.ask(fault)
        with pytest.raises(smtplib.SMTPException) as told:
            send(server.port, uuid.uuid4())
        assert f"({code}, " in repr(told.value) or f"{code}" in str(told.value)
        assert server.taken == []
        send(server.port, uuid.uuid4())
        assert len(server.taken) == 1, "the next one goes well"


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("cut@connect", 0), ("cut@hello", 0), ("cut@mail", 0), ("cut@recipient", 0), ("cut@data", 0), ("cut@body", 0),
        ("drop@dot", 0), ("cut@dot", 1), ("garbage@dot", 1), ("silence@dot", 1), ("silence@recipient", 0),
    ],
)  # fmt: skip
def test_a_sender_left_alone_has_been_taken_from_only_after_the_dot(fault: str, taken: int) -> None:
    with sink.running() as server:
        server.ask(fault)
        with pytest.raises((smtplib.SMTPException, OSError, ValueError, UnicodeError)):
            client = smtplib.SMTP("127.0.0.1", server.port, timeout=0.5)
            client.sendmail("us@example.org", [ANNA], letter(uuid.uuid4(), "long " * 20_000))
        assert [each.heard for each in server.taken] == [fault] * taken


def test_what_is_slow_comes_in_the_end() -> None:
    for fault in ("slow@connect", "slow@hello", "slow@mail", "slow@recipient", "slow@data", "slow@dot"):
        with sink.running() as server:
            server.ask(fault)
            send(server.port, uuid.uuid4(), uuid.uuid4())
            assert len(server.taken) == 2, fault


def test_a_seed_draws_the_same_faults_at_about_the_rate_asked_for() -> None:
    draws = [sink.Faults.parse("all:0.2", seed) for seed in (7, 7, 8)]
    first, again, other = ([faults.of_message(n) for n in range(5000)] for faults in draws)
    assert first == again != other
    drawn = Counter(first)
    messages = [each for each in sink.USUAL if each.partition("@")[2] not in sink.OF_CONNECTION]
    assert set(drawn) == {"", *messages} - {"5.1.1@recipient"}
    expected = 5000 * 0.2 / len(sink.USUAL)
    assert all(0.4 * expected < drawn[each] < 1.8 * expected for each in set(drawn) - {""})


def test_a_mailbox_that_is_not_there_never_is() -> None:
    faults = sink.Faults.parse("5.1.1@recipient:0.3", 1)
    answers = {n: faults.of_recipient(f"p{n}@example.com") for n in range(200)}
    assert answers == {n: faults.of_recipient(f"p{n}@example.com") for n in range(200)}
    assert 30 < sum(map(bool, answers.values())) < 90


def test_a_fault_that_there_is_not_is_refused() -> None:
    for spec in ("450@nowhere:0.1", "sneeze@dot:0.1", "drop@mail:0.1", "451@body:0.1", "450:0.1"):
        with pytest.raises(ValueError):
            sink.Faults.parse(spec)


def test_it_encrypts_and_knows_who_may_send(tmp_path: Path) -> None:
    pem = sink.certificate(tmp_path)
    trust = ssl.create_default_context(cafile=str(pem))
    with sink.running(tls=sink.encryption(pem), login=("us", "a secret")) as server:
        with smtplib.SMTP("localhost", server.port) as client:
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("us@example.org", [ANNA], letter(uuid.uuid4()))
            client.starttls(context=trust)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("us", "a guess")
            client.login("us", "a secret")
            client.sendmail("us@example.org", [ANNA], letter(uuid.uuid4()))
        with smtplib.SMTP("localhost", server.port) as client:
            client.ehlo()
            client.user, client.password = "us", "a secret"
            client.auth("LOGIN", client.auth_login)
            client.sendmail("us@example.org", [ANNA], letter(uuid.uuid4()))
        assert len(server.taken) == 2


def test_as_a_process_it_says_where_it_listens_and_keeps_its_journal_when_killed(tmp_path: Path) -> None:
    journal, identity = tmp_path / "journal", uuid.uuid4()
    command = [sys.executable, "-m", "faults.sink", "--journal", str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline().rpartition(":")[2])
        send(port, identity)
        process.kill()
    assert [taken.id for taken in sink.read(journal)] == [str(identity)]


def test_all_connections_can_be_cut_at_once() -> None:
    with sink.running() as server:
        client = smtplib.SMTP("127.0.0.1", server.port)
        client.ehlo()
        assert server.cut() == 1
        with pytest.raises((smtplib.SMTPException, OSError)):
            client.sendmail("us@example.org", [ANNA], letter(uuid.uuid4()))
