"""A server of another system on this machine, which webhooks tell what happened, and what it was told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.utils import timezone

from integrations.models import Webhook
from integrations.webhooks import delivering, keeping
from kit import instance
from kit.models import User

ALL = 60.0


@dataclass
class Heard:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.body)  # type: ignore[no-any-return]

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Any, Heard], None]


def status(number: int, **headers: str) -> Answer:
    """Answers with a status, and these headers."""

    def answer(handler: Any, _heard: Heard) -> None:
        handler.send_response(number)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Receiver:
    """Listens on loopback; `answers` says by path how, else it takes everything."""

    def __init__(self, settings: Any) -> None:
        receiver = self
        self.heard: list[Heard] = []
        self.answers: dict[str, Answer] = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.heard.append(told)
                receiver.answers.get(self.path, status(204))(self, told)

            def log_message(self, *_told: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_told: Any) -> None:
                """Whoever asked has hung up, which many of these answers are about."""

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        settings.REACHABLE_IN_TESTS = settings.REACHABLE_IN_TESTS | {("127.0.0.1", self.port)}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def types(self) -> list[str]:
        return [each.told["type"] for each in self.heard]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def ada() -> User:
    return User.objects.filter(role=User.Role.ADMIN).first() or User.objects.create_user(
        "ada@example.com", "x", role=User.Role.ADMIN
    )


def hook(url: str, *wanted: str, name: str = "CRM") -> tuple[Webhook, str]:
    """A webhook of an installation that may send."""
    assert instance.is_live()
    return keeping.add(name, url, wanted or ("stage.changed",), by=ada(), now=timezone.now())


def deliver(at: datetime | None = None, *, longest: float = ALL) -> int:
    """What the task does, as of an instant."""
    return delivering.run_all((lambda: at) if at else timezone.now, longest=longest)
