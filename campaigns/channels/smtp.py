"""Mail servers by SMTP (RFC 5321), pipelined where they can (RFC 2920): a small client that knows how far it came.

That is why it is not `smtplib`: after an error one must tell whether the end of a message may have left this machine.
As long as the final dot has not been handed to the kernel, the message was definitely not taken. From then on, without
an answer that can be read, nobody knows, and the connection is never used again.

With pipelining the end of a message, and MAIL, RCPT and DATA of the next, leave together: one round trip a message. No
more than one message waits for its final answer at any time.
"""

from __future__ import annotations

import base64
import functools
import re
import select
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import channels, faults
from campaigns.channels import Connection, Down, Outcome, Outgoing
from kit import secrets

# Seconds to wait for an answer (RFC 5321 §4.5.3.2 gives the longest), by phase.
PATIENCE = {"connect": 30.0, "hello": 60.0, "mail": 120.0, "recipient": 120.0, "data": 120.0, "dot": 600.0}
WRITING = 180.0  # seconds without the other side taking a byte
BUDGET = 120.0  # seconds of a batch after which no other message is begun
LINE = 4096  # bytes of a line of an answer; longer ones are none
LINES = 200  # of one answer
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b\s*(.*)", re.DOTALL)
OF_SENDER = ("5.1.7", "5.1.8")  # of the 5.1.x, those that speak of our own address
LOOPBACK = ("127.0.0.1", "::1")
SAFE = re.compile(rb"[\x21-\x7e]+")
UNSAFE = re.compile(rb"[<>]")


@dataclass(frozen=True)
class Reply:
    """One answer of the server."""

    code: int
    enhanced: str
    text: str
    lines: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class Lost(Exception):
    """The connection ended, fell silent, or said what is no answer. The message says which."""


class Unsent(Lost):
    """Not everything could be handed to the kernel; `reached`: how many bytes at most were."""

    def __init__(self, message: str, reached: int) -> None:
        super().__init__(message)
        self.reached = reached


class Wire:
    """A socket, by lines and with patience."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard = bytearray()

    def write(self, data: bytes) -> None:
        """Hand everything to the kernel. Raises Unsent."""
        view, done = memoryview(data), 0
        self.sock.settimeout(WRITING)
        try:
            while done < len(data):
                done += self.sock.send(view[done:])
        except (OSError, ValueError) as error:
            # Of what a socket refuses nothing has left; a TLS record may have left in part, and so perhaps whole.
            reached = len(data) if isinstance(self.sock, ssl.SSLSocket) else done
            raise Unsent(_why(error), reached) from None

    def reply(self, patience: float) -> Reply:
        """The next answer. Raises Lost."""
        until = time.monotonic() + patience
        code, texts = 0, []
        for _number in range(LINES):
            line = self._line(until)
            if len(line) < 3 or not line[:3].isdigit() or line[3:4] not in (b"", b" ", b"-"):
                raise Lost(_("no answer but “%s”") % _text(line[:80]))
            if code and int(line[:3]) != code:
                raise Lost(_("an answer with two codes"))
            code = int(line[:3])
            texts.append(_text(line[4:]))
            if line[3:4] != b"-":
                return _reply(code, texts)
        raise Lost(_("an answer without an end"))

    def _line(self, until: float) -> bytes:
        while (end := self.heard.find(b"\n")) < 0:
            if len(self.heard) > LINE:
                raise Lost(_("an answer without an end"))
            left = until - time.monotonic()
            if left <= 0:
                raise Lost(_("no answer in time"))
            self.sock.settimeout(left)
            try:
                more = self.sock.recv(65536)
            except (OSError, ValueError) as error:
                raise Lost(_why(error)) from None
            if not more:
                raise Lost(_("the other side ended the connection"))
            self.heard += more
        line = bytes(self.heard[:end]).rstrip(b"\r")
        del self.heard[: end + 1]
        return line

    def is_quiet(self) -> bool:
        """Open, with nothing said that nobody asked for, such as a goodbye."""
        if self.heard or isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return False
        try:
            return not select.select([self.sock], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def close(self) -> None:
        with suppress(OSError):
            self.sock.close()


class Session:
    """A connection on which the server has let us in."""

    def __init__(self, wire: Wire, offers: frozenset[str]) -> None:
        self.wire = wire
        self.pipelining = "PIPELINING" in offers
        self.sizes = "SIZE" in offers
        self.over = False  # never to be used again
        self.ahead = False  # MAIL, RCPT and DATA of the next message have left
        self.dirty = False  # the server may still have a transaction open

    def ready(self) -> bool:
        return not self.over and self.wire.is_quiet()

    def send(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """Carry the messages, one after the other; those after a broken connection were never begun."""
        until = time.monotonic() + BUDGET
        batch = list(batch)
        found: list[Outcome] = []
        for each, following in zip(batch, [*batch[1:], None], strict=True):
            if self.over or time.monotonic() > until and not self.ahead:
                found.append(Outcome(each.id, channels.DEFERRED, "connect", began=False))
            elif not _fits_envelope(each):
                found.append(_cannot_carry(each))
            else:
                # What is begun ahead must be what comes next: else the next letter would go to this one's reader.
                go_on = following if time.monotonic() < until else None
                found.append(self._carry(each, go_on if go_on and _fits_envelope(go_on) else None))
        return found

    def close(self) -> None:
        if not self.over and not self.ahead:
            with suppress(Lost):
                self.wire.write(b"QUIT\r\n")
        self.wire.close()

    def _carry(self, each: Outgoing, following: Outgoing | None) -> Outcome:
        refused = self._offer(each)
        return refused or self._hand_over(each, following)

    # ---- MAIL, RCPT, DATA ----

    def _commands(self, each: Outgoing) -> Iterator[tuple[str, bytes]]:
        size = b" SIZE=%d" % len(each.raw) if self.sizes else b""
        yield "mail", b"MAIL FROM:<%s>%s\r\n" % (each.envelope_from.encode(), size)
        yield "recipient", b"RCPT TO:<%s>\r\n" % each.recipient.encode()
        yield "data", b"DATA\r\n"

    def _offer(self, each: Outgoing) -> Outcome | None:
        """Ask the server to take a message; an outcome when it will not. Nothing of the message has left then."""
        phase = "mail"
        try:
            if self.dirty:
                self._begin_anew()
            if self.pipelining and not self.ahead:
                self.wire.write(b"".join(command for _phase, command in self._commands(each)))
            asked_all = self.pipelining
            self.ahead = False
            refused: tuple[str, Reply] | None = None
            for phase, command in self._commands(each):
                if not asked_all:
                    self.wire.write(command)
                reply = self.wire.reply(PATIENCE[phase])
                wanted = reply.code == 354 if phase == "data" else reply.is_good
                if reply.code == 421:
                    return self._end(_refusal(each, phase, reply) if refused is None else _refusal(each, *refused))
                if refused and phase == "data" and reply.code == 354:
                    self._take_back()
                elif not wanted and refused is None:
                    if not 400 <= reply.code < 600:
                        raise Lost(_("an answer that fits nothing: %s") % reply)
                    refused = phase, reply
                    self.dirty = True
                    if not asked_all:
                        break
        except Lost as lost:
            return self._end(Outcome(each.id, channels.DEFERRED, phase, reply=str(lost)))
        return _refusal(each, *refused) if refused else None

    def _begin_anew(self) -> None:
        self.wire.write(b"RSET\r\n")
        if not self.wire.reply(PATIENCE["mail"]).is_good:
            raise Lost(_("it does not forget a message that it refused"))
        self.dirty = False

    def _take_back(self) -> None:
        """It waits for a message that has no reader (RFC 2920 §3.1): a dot alone ends that."""
        self.wire.write(b".\r\n")
        self.wire.reply(PATIENCE["dot"])

    # ---- the message itself ----

    def _hand_over(self, each: Outgoing, following: Outgoing | None) -> Outcome:
        body = dotted(each.raw)
        more = b""
        if self.pipelining and following is not None:
            more = b"".join(command for _phase, command in self._commands(following))
        faults.point("before-dot")
        try:
            self.wire.write(body + more)
            self.ahead = bool(more)
            reply = self.wire.reply(PATIENCE["dot"])
        except Unsent as unsent:
            taken = channels.UNKNOWN if unsent.reached >= len(body) else channels.DEFERRED
            return self._end(Outcome(each.id, taken, "data", reply=str(unsent)))
        except Lost as lost:
            return self._end(Outcome(each.id, channels.UNKNOWN, "dot", reply=str(lost)))
        if not (reply.is_good or 400 <= reply.code < 600):
            return self._end(Outcome(each.id, channels.UNKNOWN, "dot", reply.code, reply.enhanced, reply.text))
        faults.point("after-dot")
        if not reply.is_good:
            outcome = _refusal(each, "dot", reply)
            return self._end(outcome) if reply.code == 421 else outcome
        return Outcome(each.id, channels.ACCEPTED, "outcome", reply.code, reply.enhanced, reply.text)

    def _end(self, outcome: Outcome) -> Outcome:
        self.over = True
        self.ahead = False
        self.wire.close()
        return outcome


def dotted(raw: bytes) -> bytes:
    """A message as it stands after DATA: CRLF line ends alone, dots doubled at their beginning, and the final dot."""
    ends = raw.count(b"\r\n")
    if raw.count(b"\n") != ends or raw.count(b"\r") != ends:
        raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    if not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    raw = raw.replace(b"\r\n.", b"\r\n..")
    return (b"." if raw.startswith(b".") else b"") + raw + b".\r\n"


def _refusal(each: Outgoing, phase: str, reply: Reply) -> Outcome:
    """What a “no” means: for now, for good, of an address that does not exist, or by policy."""
    enhanced = reply.enhanced
    if reply.code < 500:
        result = channels.DEFERRED
    elif enhanced.startswith("5.7."):
        result = channels.POLICY
    elif enhanced.startswith("5.1.") and enhanced not in OF_SENDER and phase != "mail":
        result = channels.BOUNCED
    else:
        result = channels.REFUSED
    return Outcome(each.id, result, phase, reply.code, enhanced, reply.text)


def _fits_envelope(each: Outgoing) -> bool:
    return _can_carry(each.recipient) and _can_carry(each.envelope_from)


def _can_carry(address: str) -> bool:
    raw = address.encode("utf-8", "replace")
    return bool(SAFE.fullmatch(raw)) and not UNSAFE.search(raw)


def _cannot_carry(each: Outgoing) -> Outcome:
    return Outcome(
        each.id, channels.REFUSED, "recipient", reply=_("The address holds letters that no envelope carries.")
    )


def _text(said: bytes) -> str:
    """What the other side said, as it can be written down: the database takes no NUL."""
    return said.decode("utf-8", "replace").replace("\x00", "")


def _reply(code: int, texts: Sequence[str]) -> Reply:
    """Several lines as one, with the enhanced code once."""
    enhanced, words = "", []
    for text in texts:
        if found := ENHANCED.match(text):
            enhanced, text = found[1], found[2]
        words.append(text)
    return Reply(code, enhanced, " ".join(filter(None, words))[:500], tuple(texts))


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _("no answer in time")
    if isinstance(error, UnicodeError):
        return _("no server can be called so")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("its certificate is not trusted: %s") % error.verify_message
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class Smtp(channels.Channel):
    """A mail server: `settings` are host, port, security (starttls, tls, none), user and how many connections each
    worker keeps open at once; `secret` is the password."""

    name = "smtp"
    label = gettext_lazy("Mail server (SMTP)")
    longest = timedelta(seconds=BUDGET + WRITING + sum(PATIENCE.values()))

    def at_once(self) -> int:
        return max(1, int(self.setting.settings.get("connections") or 1))

    def connect(self) -> Connection:
        settings = self.setting.settings
        host, port = str(settings.get("host", "")), int(settings.get("port") or 25)
        try:
            wire = Wire(self._socket(host, port))
        except (OSError, ValueError) as error:  # ValueError: a name that no server can have
            raise Down(self._words(_why(error))) from None
        try:
            return self._let_in(wire, host)
        except Lost as lost:
            wire.close()
            raise Down(self._words(str(lost))) from None
        except (OSError, ValueError) as error:
            wire.close()
            raise Down(self._words(_why(error))) from None
        except Down:
            wire.close()
            raise

    def tried(self) -> str:
        session: Any = self.way()
        told = [_("%(server)s lets us in.") % {"server": self._server()}]
        if isinstance(session.wire.sock, ssl.SSLSocket):
            told.append(_("The connection is encrypted (%(how)s).") % {"how": session.wire.sock.version()})
        else:
            told.append(_("The connection is not encrypted."))
        if not session.pipelining:
            told.append(_("It takes one command at a time, so sending is slower."))
        self._drop()
        return " ".join(told)

    def _socket(self, host: str, port: int) -> socket.socket:
        sock = socket.create_connection((host, port), timeout=PATIENCE["connect"])
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.setting.settings.get("security") == "tls":
            return _encrypted(sock, host)
        return sock

    def _let_in(self, wire: Wire, host: str) -> Session:
        self._good(wire.reply(PATIENCE["hello"]))
        offers = self._hello(wire)
        if self.setting.settings.get("security") == "starttls":
            if "STARTTLS" not in offers:
                raise Down(self._words(_("it offers no encryption (STARTTLS)")))
            wire.write(b"STARTTLS\r\n")
            self._good(wire.reply(PATIENCE["hello"]))
            if wire.heard:
                raise Down(self._words(_("somebody speaks in its name before the encryption begins")))
            wire.sock = _encrypted(wire.sock, host)
            offers = self._hello(wire)
        if self.setting.settings.get("user"):
            self._sign_in(wire, offers)
        return Session(wire, frozenset(offers))

    def _hello(self, wire: Wire) -> dict[str, str]:
        """What the server offers, by name; one that knows no EHLO offers nothing."""
        name = _own_name() or f"[{wire.sock.getsockname()[0]}]"
        wire.write(f"EHLO {name}\r\n".encode())
        reply = wire.reply(PATIENCE["hello"])
        if 500 <= reply.code < 600:
            wire.write(f"HELO {name}\r\n".encode())
            self._good(wire.reply(PATIENCE["hello"]))
            return {}
        self._good(reply)
        return {word: rest for word, _space, rest in (line.upper().partition(" ") for line in reply.lines[1:])}

    def _sign_in(self, wire: Wire, offers: dict[str, str]) -> None:
        user = str(self.setting.settings["user"])
        if not (isinstance(wire.sock, ssl.SSLSocket) or wire.sock.getpeername()[0] in LOOPBACK):
            raise Down(self._words(_("a password is only sent over an encrypted connection; choose one")))
        try:
            password = secrets.opened(self.setting.secret)
        except secrets.Unreadable:
            raise Down(_("The password cannot be read any more; write it down again in the settings.")) from None
        ways = offers.get("AUTH", "").split()
        if "PLAIN" in ways:
            wire.write(b"AUTH PLAIN %s\r\n" % _base64(f"\0{user}\0{password}"))
        elif "LOGIN" in ways:
            for line in (b"AUTH LOGIN", _base64(user)):
                wire.write(line + b"\r\n")
                if (reply := wire.reply(PATIENCE["hello"])).code != 334:
                    raise Down(self._words(_("it does not let us sign in: %s") % reply))
            wire.write(_base64(password) + b"\r\n")
        else:
            raise Down(self._words(_("it offers no way to sign in that we know (PLAIN or LOGIN)")))
        reply = wire.reply(PATIENCE["hello"])
        if not reply.is_good:
            raise Down(self._words(_("it does not let us sign in: %s") % reply))

    def _good(self, reply: Reply) -> None:
        if not reply.is_good:
            raise Down(self._words(str(reply)))

    def _server(self) -> str:
        return f"{self.setting.settings.get('host', '')}:{self.setting.settings.get('port') or 25}"

    def _words(self, why: str) -> str:
        return f"{self._server()}: {why}"


def _encrypted(sock: socket.socket, host: str) -> ssl.SSLSocket:
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except OSError:
        sock.close()
        raise


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


@functools.cache
def _own_name() -> str:
    """This machine's full name, if it has one."""
    name = socket.getfqdn()
    return name if "." in name and SAFE.fullmatch(name.encode()) else ""
