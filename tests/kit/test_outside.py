"""Files from addresses that users give: of the open web alone, counted, and nothing of an answer shown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kit import outside

INSIDE = (
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::101:101", "2002:7f00:1::", "2002:a00:1::", "::127.0.0.1",
    "192.0.2.1", "198.18.0.1", "2001:db8::1", "240.0.0.1",
)  # fmt: skip
WRONG = (
    "", "ftp://example.com/a.csv", "file:///etc/passwd", "gopher://example.com/", "//example.com/a.csv", "example.com/a",
    "https://user:secret@example.com/a.csv", "https://example.com:8443/a.csv", "http://example.com:22/", "http://example.com:99999/",
    "http://exa mple.com/", "http://example.com/\r\nHost: x", "http://example.com/\x00", "https://[::1", "http://", "http:///a",
    "https://example.com/" + "a" * 1000, "https://exämple.com/a.csv",
)  # fmt: skip
AROUND = ("http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
          "http://0/", "http://169.254.169.254/latest/meta-data/")  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_of_a_network_of_its_own_is_open(address: str) -> None:
    assert not outside.is_open(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2002:101:101::"])
def test_addresses_of_the_web_are_open(address: str) -> None:
    assert outside.is_open(address)


@pytest.mark.parametrize("url", WRONG)
def test_what_is_no_plain_address_of_the_web_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(outside.Refused):
        outside.checked(url)


@pytest.mark.parametrize("url", AROUND)
def test_no_spelling_of_this_machine_is_reached(url: str, tmp_path: Path) -> None:
    with pytest.raises(outside.Refused):
        outside.fetch(url, tmp_path / "x", headers={}, most=100)


class Answers(BaseHTTPRequestHandler):
    """A server of files, for tests alone."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/secret")
            self.end_headers()
        elif self.path == "/wrong":
            self.send_error(500, "secret words of the server")
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"email\n")
        else:
            self.server.asked.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.body)  # type: ignore[attr-defined]

    def log_message(self, *_told: Any) -> None:
        pass


@pytest.fixture
def server(settings: Any) -> Iterator[Any]:
    """A server on this machine, which tests alone may reach."""
    made: Any = HTTPServer(("127.0.0.1", 0), Answers)
    made.body, made.asked = b"email\na@x.example\n", []
    made.url = f"http://127.0.0.1:{made.server_port}"
    settings.REACHABLE_IN_TESTS = {("127.0.0.1", made.server_port)}
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_a_file_is_fetched_with_what_it_takes_to_sign_in(server: Any, tmp_path: Path) -> None:
    into = tmp_path / "x"
    assert outside.fetch(server.url + "/a.csv?all=1", into, headers={"Authorization": "Bearer t"}, most=100) == 18
    assert into.read_bytes() == server.body and into.stat().st_mode & 0o777 == 0o600
    assert server.asked == ["Bearer t"]


@pytest.mark.parametrize(
    "path, words", [("/moved", "redirects"), ("/wrong", "500"), ("/broken", "broke"), ("/a.csv", "larger")]
)
def test_anything_but_a_whole_file_is_refused_and_its_words_are_not_shown(
    server: Any, path: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(outside.Refused, match=words) as refused:
        outside.fetch(server.url + path, tmp_path / "x", headers={}, most=10)
    assert "secret" not in str(refused.value)


def test_a_name_that_leads_here_as_well_as_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def resolved(*_asked: Any, **_more: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("1.1.1.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with pytest.raises(outside.Refused, match="network of its own"):
        outside.fetch("http://example.com/", tmp_path / "x", headers={}, most=10)


def test_nobody_lets_this_machine_be_reached_by_the_environment(settings: Any) -> None:
    from django.conf import settings as ours

    assert set() == ours.REACHABLE_IN_TESTS
