"""A mail server that writes down each message it takes before it says so, keeps nothing else, and fails on purpose.

    python -m faults.sink [--port N] [--journal FILE] [--faults SPEC --seed S] [--tls PEM] [--login USER:PASSWORD]

SIGUSR1 cuts all its connections, SIGTERM ends it. A journal has one line for each message taken: its id, its recipient,
and whether the sender was told ("answered") or what went wrong instead. A line is written (and not synced: a killed
process loses none) before the answer leaves, so that whatever a sender may believe to be sent stands in it.

SPEC is a list like "450@recipient:0.02 cut@dot:0.01": what goes wrong, at which phase, at which rate. Phases: connect
and hello (rates count connections), mail, recipient, data, body, dot (rates count messages). What goes wrong: a name of
`REPLIES`, `cut` (the connection ends), `garbage`, `silence` (no answer, ever), `slow`. At the dot, a reply of `REPLIES`
refuses the message, `drop` cuts without having taken it, and everything else happens to a message that was taken.
"all:0.1" spreads a rate over `USUAL`. The same seed draws the same faults for the same order of messages, and one
recipient's mailbox either exists or does not.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

PHASES = ("connect", "hello", "mail", "recipient", "data", "body", "dot")
OF_CONNECTION = PHASES[:2]
REPLIES = {
    "421": b"421 4.3.2 Closing for now\r\n",
    "450": b"450 4.2.1 Mailbox busy\r\n",
    "451": b"451 4.3.0 Try again later\r\n",
    "452": b"452 4.3.1 Out of room\r\n",
    "552": b"552 5.3.4 Too big\r\n",
    "554": b"554 5.3.0 Refused\r\n",
    "5.1.1": b"550 5.1.1 Nobody of this name here\r\n",
    "5.7.1": b"550 5.7.1 Refused by policy\r\n",
}
WHAT = (*REPLIES, "cut", "drop", "garbage", "silence", "slow")
GARBAGE = b"\xff\xfe2 0 0 what\x00?\r\n"
OF_RECIPIENT = ("5.1.1", "5.7.1")  # the same answer each time
USUAL = (
    "cut@connect", "421@connect", "cut@hello", "garbage@hello", "421@mail", "452@mail", "cut@mail", "450@recipient",
    "451@recipient", "cut@recipient", "garbage@recipient", "5.1.1@recipient", "cut@body", "451@dot", "452@dot",
    "421@dot", "cut@dot", "drop@dot", "garbage@dot", "slow@dot",
)  # fmt: skip
SLOW = 0.3  # seconds
ROOM = 50 << 20  # bytes of one message
MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?<?([^@>\s]+)", re.IGNORECASE | re.MULTILINE)
ADDRESS = re.compile(rb"<([^>]*)>")


@dataclass(frozen=True)
class Taken:
    """One message that the sink has taken: the id in its Message-ID, before the @, and what its sender heard."""

    id: str
    recipient: str
    heard: str  # "answered", or the fault
    sender: str = ""
    raw: bytes = b""


@dataclass
class Faults:
    """What goes wrong, how often, and what has been asked for by name for the next message or connection."""

    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    asked: deque[str] = field(default_factory=deque)

    @classmethod
    def parse(cls, spec: str, seed: int = 0) -> Faults:
        """Raises ValueError for what cannot go wrong."""
        rates: dict[str, float] = defaultdict(float)
        for part in spec.replace(",", " ").split():
            name, _, rate = part.rpartition(":")
            for each in USUAL if name == "all" else [name]:
                rates[_checked(each)] += float(rate) / (len(USUAL) if name == "all" else 1)
        return cls(dict(rates), seed)

    def of_connection(self, number: int) -> str:
        return self._asked(OF_CONNECTION) or self._drawn(f"connection {number}", OF_CONNECTION)

    def of_message(self, number: int) -> str:
        return self._asked(PHASES[2:]) or self._drawn(f"message {number}", PHASES[2:])

    def of_recipient(self, address: str) -> str:
        """What is wrong with a mailbox, if anything: the same whenever it is asked."""
        return self._drawn(address, ("recipient",), OF_RECIPIENT)

    def _asked(self, phases: Iterable[str]) -> str:
        for each in self.asked:
            if each.partition("@")[2] in phases:
                self.asked.remove(each)
                return each
        return ""

    def _drawn(self, of: str, phases: Iterable[str], only: tuple[str, ...] = ()) -> str:
        if not self.rates:
            return ""
        dice = random.Random(f"{self.seed} {of}").random()
        for name, rate in self.rates.items():
            what, _, phase = name.partition("@")
            permanent = what in OF_RECIPIENT and phase == "recipient"
            if phase not in phases or permanent is not bool(only):
                continue
            if dice < rate:
                return name
            dice -= rate
        return ""


def _checked(name: str) -> str:
    what, _, phase = name.partition("@")
    possible = {"dot": WHAT, "body": ("cut", "silence")}.get(phase, [each for each in WHAT if each != "drop"])
    if phase not in PHASES or what not in possible:
        raise ValueError(
            f"nothing is called {name!r}: one of {', '.join(possible)}, then @, then one of {', '.join(PHASES)}"
        )
    return name


class Sink:
    """One server: its settings, what it has taken, and its open connections. Runs in one event loop."""

    def __init__(
        self,
        *,
        journal: Path | None = None,
        faults: Faults | None = None,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"),
        keep: bool = False,
    ) -> None:
        self.faults = faults or Faults()
        self.login = login
        self.tls = tls
        self.extensions = extensions
        self.taken: list[Taken] = []  # filled when nothing is journalled, or when `keep`
        self.count = 0
        self.port = 0
        self.connections: set[Conversation] = set()
        self.connected = 0  # how many there ever were
        self._keep = keep or journal is None
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if journal else None
        # One that was killed goes on where it was, so that a seed does not begin anew.
        self._messages = itertools.count(len(read(journal)) + 1 if journal else 1)

    async def listen(self, port: int = 0) -> asyncio.Server:
        """Answer on this port of the loopback address, or on a free one."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Conversation(self), "127.0.0.1", port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def next_message(self) -> str:
        """The fault of the message that begins."""
        return self.faults.of_message(next(self._messages))

    def take(self, raw: bytes, sender: str, recipient: str, heard: str) -> None:
        """Write down what was taken; after this, and only then, its sender may be told."""
        found = MESSAGE_ID.search(raw, 0, max(raw.find(b"\r\n\r\n"), 0) or len(raw))
        identity = _uuid(found[1].decode(errors="replace")) if found else "-"
        self.count += 1
        if self._journal is not None:
            os.write(self._journal, f"{identity} {recipient} {heard}\n".encode())
        if self._keep:
            self.taken.append(Taken(identity, recipient, heard, sender, raw))

    def cut(self) -> int:
        """End all connections at once, wherever they are; how many."""
        open_ones = list(self.connections)
        for each in open_ones:
            each.end(abruptly=True)
        return len(open_ones)

    def close(self) -> None:
        self.cut()
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None


class Conversation(asyncio.Protocol):
    """One connection. What arrives is worked off as far as it goes, and answered at once for all of it."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.searched = 0
        self.answers: list[bytes] = []
        self.held = False  # a slow answer is due, or none ever
        self.in_body = self.secure = self.known = False
        self.awaited = ""  # what a login still needs
        self.forget()

    def forget(self) -> None:
        """The next message begins."""
        self.fault = ""
        self.sender: str | None = None
        self.recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.sink.connections.add(self)
        self.sink.connected += 1
        self.connection_fault = self.sink.faults.of_connection(self.sink.connected)
        if not self._goes_wrong("connect", self.connection_fault):
            self.answers.append(b"220 sink.example ESMTP\r\n")
        self.work()

    def connection_lost(self, reason: Exception | None) -> None:
        self.sink.connections.discard(self)
        self.held = True

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.work()

    def work(self) -> None:
        """Everything that is complete in the buffer."""
        while not self.held and (self._body() if self.in_body else self._line()):
            pass
        if not self.held:
            self._answer()

    def end(self, *, abruptly: bool = False) -> None:
        """Answer what is answered, and close; abruptly: with a reset, as when a machine dies."""
        self.held = True
        if abruptly:
            held = self.transport.get_extra_info("socket")
            with suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.transport.abort()
        else:
            self._answer()
            self.transport.close()

    def _answer(self) -> None:
        if self.answers and not self.transport.is_closing():
            self.transport.write(b"".join(self.answers))
            self.answers.clear()

    def _goes_wrong(self, phase: str, fault: str) -> bool:
        """Whether this phase is the fault's; then what it does instead of the answer is done."""
        what, _, where = fault.partition("@")
        if where != phase:
            return False
        if what in REPLIES:
            self.answers.append(REPLIES[what])
            if what == "421":
                self.end()
        elif what in ("cut", "drop"):
            self.answers.clear() if phase == "dot" else self._answer()
            self.end(abruptly=True)
        elif what == "garbage":
            self.answers.append(GARBAGE)
        elif what == "silence":
            self._answer()
            self.held = True
        elif what == "slow":
            self._answer()
            self.held = True
            asyncio.get_running_loop().call_later(SLOW, self._go_on)
            return False
        return True

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.held = False
            self.work()

    def _line(self) -> bool:
        """One command. False when none is complete."""
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        if self.awaited:
            self._login(line)
            return True
        verb = line[:4].upper().decode("latin-1")
        doing = getattr(self, f"_{verb.lower()}", None) if verb in COMMANDS else None
        if doing is None:
            self.answers.append(b"500 5.5.1 Not understood\r\n")
        else:
            doing(line)
        return True

    def _hello(self) -> bytes:
        offered = ["sink.example", *self.sink.extensions, f"SIZE {ROOM}"]
        if self.sink.tls and not self.secure:
            offered.append("STARTTLS")
        if self.sink.login:
            offered.append("AUTH PLAIN LOGIN")
        return b"".join(f"250{' ' if each is offered[-1] else '-'}{each}\r\n".encode() for each in offered)

    def _ehlo(self, line: bytes) -> None:
        self.forget()
        if not self._goes_wrong("hello", self.connection_fault):
            self.answers.append(self._hello())

    def _helo(self, line: bytes) -> None:
        self.answers.append(b"250 sink.example\r\n")

    def _mail(self, line: bytes) -> None:
        if self.sink.login and not self.known:
            self.answers.append(b"530 5.7.0 Sign in first\r\n")
        elif self.sender is not None:
            self.answers.append(b"503 5.5.1 One message at a time\r\n")
        else:
            self.fault = self.sink.next_message()
            if not self._goes_wrong("mail", self.fault):
                self.sender = _address(line)
                self.answers.append(b"250 2.1.0 OK\r\n")

    def _rcpt(self, line: bytes) -> None:
        recipient = _address(line)
        if self.sender is None:
            self.answers.append(b"503 5.5.1 MAIL comes first\r\n")
        elif not self._goes_wrong("recipient", self.sink.faults.of_recipient(recipient) or self.fault):
            self.recipients.append(recipient)
            self.answers.append(b"250 2.1.5 OK\r\n")

    def _data(self, line: bytes) -> None:
        if not self.recipients:
            self.answers.append(b"503 5.5.1 Nobody to send it to\r\n")
        elif not self._goes_wrong("data", self.fault):
            self.answers.append(b"354 Go on\r\n")
            self.in_body = True

    def _body(self) -> bool:
        """One message up to its dot. False when it is not complete."""
        if self.buffer and self._goes_wrong("body", self.fault):
            return False
        if self.buffer.startswith(b".\r\n"):
            end, raw = 3, b""
        else:
            found = self.buffer.find(b"\r\n.\r\n", max(self.searched - 4, 0))
            if found < 0:
                self.searched = len(self.buffer)
                return False
            end, raw = found + 5, bytes(self.buffer[: found + 2])
        del self.buffer[:end]
        self.searched, self.in_body = 0, False
        self._dot(raw)
        return True

    def _dot(self, raw: bytes) -> None:
        what = self.fault.partition("@")[0] if self.fault.endswith("@dot") else ""
        if what not in REPLIES and what != "drop":
            for recipient in self.recipients:
                self.sink.take(raw, self.sender or "", recipient, self.fault if what else "answered")
        if not self._goes_wrong("dot", self.fault):
            self.answers.append(b"250 2.0.0 Taken\r\n")
        self.forget()

    def _rset(self, line: bytes) -> None:
        self.forget()
        self.answers.append(b"250 2.0.0 OK\r\n")

    def _noop(self, line: bytes) -> None:
        self.answers.append(b"250 2.0.0 OK\r\n")

    def _quit(self, line: bytes) -> None:
        self.answers.append(b"221 2.0.0 Bye\r\n")
        self.end()

    def _star(self, line: bytes) -> None:
        if self.sink.tls is None or self.secure:
            self.answers.append(b"502 5.5.1 Not offered\r\n")
            return
        self.answers.append(b"220 2.0.0 Go on\r\n")
        self._answer()
        self.buffer.clear()  # what was sent ahead of encryption is nobody's word
        self.forget()
        self.held = True
        self.upgrade = asyncio.get_running_loop().create_task(self._encrypt(self.sink.tls))

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self.secure = True
        try:
            encrypted = await loop.start_tls(self.transport, self, context, server_side=True)
        except (OSError, ssl.SSLError):
            return
        self.held = False
        if encrypted is not None:
            self.transport = encrypted
        self.work()

    def _auth(self, line: bytes) -> None:
        words = line.decode("latin-1").split()
        kind = words[1].upper() if len(words) > 1 else ""
        if self.sink.login is None or kind not in ("PLAIN", "LOGIN"):
            self.answers.append(b"504 5.5.4 Not offered\r\n")
            return
        self.awaited = kind
        self.user = ""
        if len(words) > 2:
            self._login(words[2].encode())
        else:
            self.answers.append(b"334 " + (b64encode(b"Username:") if kind == "LOGIN" else b"") + b"\r\n")

    def _login(self, line: bytes) -> None:
        try:
            said = b64decode(line, validate=True).decode()
        except (NotBase64, UnicodeDecodeError):
            said = ""
        if self.awaited == "LOGIN" and not self.user:
            self.user = said or "?"
            self.answers.append(b"334 " + b64encode(b"Password:") + b"\r\n")
            return
        given = tuple(said.split("\0")[1:]) if self.awaited == "PLAIN" else (self.user, said)
        self.awaited, self.known = "", given == self.sink.login
        self.answers.append(b"235 2.7.0 Welcome\r\n" if self.known else b"535 5.7.8 Wrong name or password\r\n")


COMMANDS = ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "STAR", "AUTH")


def _address(line: bytes) -> str:
    found = ADDRESS.search(line)
    return (found[1] if found else line.partition(b":")[2].strip()).decode(errors="replace").replace(" ", "_")


def _uuid(text: str) -> str:
    """The id as a UUID is written, when it is one; without spaces whatever it is."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


def read(journal: Path) -> list[Taken]:
    """What a sink has written down, in the order in which it took it."""
    if not journal.exists():
        return []
    lines = (line.split(" ", 2) for line in journal.read_text().splitlines())
    return [Taken(identity, recipient, heard) for identity, recipient, heard in lines]


def certificate(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 and localhost in one file, signed by nobody; the program openssl makes it."""
    path = folder / "sink.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", "-", "-out", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path.write_text(made.stdout)
    return path


def encryption(pem: Path) -> ssl.SSLContext:
    """What a server needs to speak TLS, from such a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


class Running:
    """A sink in a thread of this process."""

    def __init__(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        self.sink = sink
        self.loop = loop

    @property
    def port(self) -> int:
        return self.sink.port

    @property
    def taken(self) -> list[Taken]:
        """What it took so far: with sender and raw bytes unless it journals."""
        return list(self.sink.taken)

    def ask(self, *faults: str) -> None:
        """Have these go wrong with the next messages or connections, one after another: `ask("cut@dot")`."""
        self.sink.faults.asked.extend(_checked(each) for each in faults)

    def cut(self) -> int:
        """End all connections at once; how many."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self.loop).result(timeout=10)

    async def _cut(self) -> int:
        return self.sink.cut()


@contextmanager
def running(*, port: int = 0, **settings: object) -> Iterator[Running]:
    """A sink beside the test, for as long as the block lasts; settings are those of `Sink`."""
    sink = Sink(**settings)  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        server = await sink.listen(port)
        ready.set()
        await over.wait()
        server.close()
        sink.close()
        await asyncio.sleep(0)

    def work() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=work, name="sink", daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError(f"no sink could listen on port {port}")
    try:
        yield Running(sink, loop)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=10)


async def _serve(asked: argparse.Namespace) -> None:
    user, _, password = asked.login.partition(":")
    sink = Sink(
        journal=asked.journal,
        faults=Faults.parse(asked.faults, asked.seed),
        login=(user, password) if user else None,
        tls=encryption(asked.tls) if asked.tls else None,
        extensions=() if asked.plain else ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"),
    )
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_signal_handler(signal.SIGUSR1, sink.cut)
    server = await sink.listen(asked.port)
    print(f"listening on 127.0.0.1:{sink.port}", flush=True)
    await over.wait()
    server.close()
    sink.close()
    with suppress(BrokenPipeError):  # whoever started it may be gone
        print(f"took {sink.count} messages on {sink.connected} connections", flush=True)


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m faults.sink", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--port", type=int, default=0, help="default: a free one, which the first line tells")
    options.add_argument("--journal", type=Path, help="where to write down what was taken")
    options.add_argument("--faults", default="", metavar="SPEC", help='such as "450@recipient:0.02 cut@dot:0.01"')
    options.add_argument("--seed", type=int, default=0, help="the same seed, the same faults")
    options.add_argument("--tls", type=Path, metavar="PEM", help="offer STARTTLS with this key and certificate")
    options.add_argument("--login", default="", metavar="USER:PASSWORD", help="take mail from nobody else")
    options.add_argument("--plain", action="store_true", help="no extensions: each command waits for its answer")
    asked = options.parse_args()
    asyncio.run(_serve(asked))
    return 0


if __name__ == "__main__":
    sys.exit(main())
