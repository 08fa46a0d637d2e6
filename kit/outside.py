"""Addresses that users give, asked for files or told something: of the open web alone, never this machine or its
neighbours.

A name is resolved once, every address behind it is checked, and it is that address which is connected to, so that no
second answer of a name server can lead elsewhere. Redirects are not followed. A file is written down and counted; of
any other answer nothing is kept but its number, and of one to a POST nothing else is read.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

PORTS = {"http": 80, "https": 443}
TO_CONNECT, TO_ANSWER, ALL_OF_IT = 10, 60, 900  # seconds
BLOCK = 1 << 16
LONGEST = 1000  # letters of an address
MOST_HEAD = 16 << 10  # bytes of an answer's status and headers, where nothing else is read


class Refused(ValueError):
    """The address cannot be asked; the message says why, in the user's words, and never what came back.

    `why` is the same in a word: the "name" is not known, it leads "inside", it took too much "time", "tls", "broken".
    """

    def __init__(self, words: str, why: str = "") -> None:
        super().__init__(words)
        self.why = why


@dataclass(frozen=True)
class Answer:
    """What came back from a POST: its number, and when it may be tried again, in the words of its header."""

    status: int
    retry_after: str


def checked(url: str) -> SplitResult:
    """The parts of an address that may be asked. Raises Refused. Where its name leads is known when it is asked."""
    if len(url) > LONGEST or not url.isascii() or any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise Refused(_("This is no address of the web, such as https://example.com/export.csv."))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(_("This is no address of the web, such as https://example.com/export.csv.")) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise Refused(_("An address begins with https:// or http://."))
    if parts.username is not None or parts.password is not None:
        raise Refused(_("Put user and password into their own fields, not into the address."))
    if port not in (None, PORTS[parts.scheme]) and (parts.hostname, port) not in settings.REACHABLE_IN_TESTS:
        raise Refused(_("Only the usual ports are asked: 443 for https, 80 for http."))
    return parts


def fetch(url: str, into: Path, *, headers: Mapping[str, str], most: int) -> int:
    """Write what is at an address into a file; its size. Raises Refused, also beyond `most` bytes and for redirects."""
    parts = checked(url)
    until = time.monotonic() + ALL_OF_IT
    connection = _connection(parts)
    try:
        connection.request("GET", _path(parts), headers={"User-Agent": "Perennial", "Accept": "*/*", **headers})
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            raise Refused(_("The address leads on to another one. Give that one instead; redirects are not followed."))
        if answer.status != 200:
            raise Refused(_("The server answered %(status)s instead of a file.") % {"status": answer.status})
        return _write(answer, into, most, until)
    except (OSError, http.client.HTTPException) as error:
        raise Refused(_("The server did not answer as it should: %(why)s.") % {"why": _in_words(error)}) from error
    finally:
        connection.close()


def post(url: str, body: bytes, *, headers: Mapping[str, str], within: float) -> Answer:
    """Send something to an address. Raises Refused, also when there is no answer `within` seconds of connecting.

    Any status is an answer. Its body is never read, however large it is or however long it goes on.
    """
    parts = checked(url)
    connection = _connection(parts)
    connection.response_class = _HeadAlone
    until = time.monotonic() + within
    cut = threading.Timer(within, connection.cut)  # a time-out of a socket alone is for each few bytes anew
    cut.daemon = True
    cut.start()
    try:
        connection.request("POST", _path(parts), body=body, headers={"User-Agent": "Perennial", **headers})
        answer = connection.getresponse()
        if time.monotonic() >= until:  # it was cut short among its headers, whose end that looks like
            raise TimeoutError
        return Answer(answer.status, (answer.getheader("Retry-After") or "")[:100])
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() >= until
        why = "time" if late else "tls" if isinstance(error, ssl.SSLError) else "broken"
        words = _("it took too long") if late else _in_words(error)
        raise Refused(_("The server did not answer as it should: %(why)s.") % {"why": words}, why) from error
    finally:
        cut.cancel()
        connection.close()


def _path(parts: SplitResult) -> str:
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def _write(answer: http.client.HTTPResponse, into: Path, most: int, until: float) -> int:
    size = 0
    with into.open("wb") as file:
        into.chmod(0o600)
        while block := answer.read1(BLOCK):
            size += len(block)
            if size > most:
                raise Refused(_("What is there is larger than %(limit)s MB.") % {"limit": most >> 20})
            if time.monotonic() > until:
                raise Refused(_("It takes longer than %(minutes)s minutes.") % {"minutes": ALL_OF_IT // 60})
            file.write(block)
    if answer.length:
        raise Refused(_("The connection broke before all of it had come."))
    return size


def _connection(parts: SplitResult) -> _Plain:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    address = _resolved(host, port)
    if parts.scheme == "http":
        return _Plain(host, port, address)
    return _Secure(host, port, address)


def _resolved(host: str, port: int) -> tuple[Any, ...]:
    """Where to connect to. Raises Refused when any of the addresses behind the name is not of the open web."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused(_("Nobody knows the name “%(host)s”.") % {"host": host[:100]}, "name") from error
    for _family, _type, _protocol, _name, address in found:
        if not is_open(str(address[0])) and (host, port) not in settings.REACHABLE_IN_TESTS:
            raise Refused(
                _("“%(host)s” leads into a network of its own, where nothing is asked.") % {"host": host[:100]},
                "inside",
            )
    return found[0]


def is_open(address: str) -> bool:
    """Whether an address is one of the open web, also where it stands within another."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    within = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())] if isinstance(ip, ipaddress.IPv6Address) else []
    if any(each is not None and not is_open(str(each)) for each in within):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return _("its certificate is not good")
    return _("it took too long") if isinstance(error, TimeoutError) else _("the connection failed")


class _Plain(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name leads to by now."""

    def __init__(self, host: str, port: int, address: tuple[Any, ...]) -> None:
        super().__init__(host, port, timeout=TO_ANSWER)
        self._address = address

    def connect(self) -> None:
        family, kind, protocol, _name, where = self._address
        self.sock = socket.socket(family, kind, protocol)
        self.sock.settimeout(TO_CONNECT)
        self.sock.connect(where)
        self.sock.settimeout(TO_ANSWER)

    def cut(self) -> None:
        """End it from another thread, whatever it waits for."""
        if self.sock is not None:
            with suppress(OSError):
                # Of the socket below TLS, whose own way waits for the other side.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Secure(_Plain):
    """The same over TLS, by the certificate of the name that was asked for."""

    default_port = PORTS["https"]

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


class _HeadAlone(http.client.HTTPResponse):
    """An answer of which status and headers are read, as long as they are short."""

    def __init__(self, sock: socket.socket, *given: Any, **more: Any) -> None:
        super().__init__(sock, *given, **more)
        self.fp: Any = _Counted(self.fp, MOST_HEAD)


class _Counted:
    """A file of lines that ends with an error after so many bytes."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._left = file, most

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise http.client.HTTPException("more headers than anybody needs")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
