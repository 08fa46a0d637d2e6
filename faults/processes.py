"""The product as it runs, in processes that may be killed: workers, clocks, a broker, a database, and a sink to send to."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2

from config import embedded, filequeue, supervisor

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Part:
    """One process that should always run, with all that it starts."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def watch(self, pause: float) -> None:
        """Start it again, `pause` seconds after it was found ended."""
        if self.process is None:
            if time.monotonic() >= self.due:
                self.start()
        elif self.process.poll() is not None:
            self._sweep_up()
            self.process, self.due = None, time.monotonic() + pause

    def all(self) -> list[psutil.Process]:
        """Its own process first, then whatever that has started."""
        if self.process is None or self.process.poll() is not None:
            return []
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def stop(self) -> None:
        if self.process is None:
            return
        for each in self.all():
            with suppress(psutil.Error):
                each.resume()
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=15)
        self._sweep_up()
        self.process.wait(timeout=15)
        self.process = None

    def _sweep_up(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Database:
    """A database of our own: on a server of our own, which may be crashed, or on one that others use too."""

    def __init__(self, url: str, server: embedded.Server | None) -> None:
        self.url = url
        self.server = server

    def connect(self) -> psycopg2.extensions.connection:
        """A session, as soon as one is to be had. Raises psycopg2's error after a minute."""
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = psycopg2.connect(self.url, connect_timeout=5)
                connection.autocommit = True
                return connection
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def crash(self) -> None:
        """Every process of our server dies without a word, and it starts again from its log."""
        if self.server is None:
            raise RuntimeError("this server is not ours to crash")
        self.server.crash()
        self.server.start()


class Broker:
    """What carries hints: a Redis of our own where there is one, else the embedded folder of files."""

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder = folder / "queue"
        self.part: Part | None = None
        self.url = ""
        if program := shutil.which("redis-server"):
            port = free_port()
            self.url = f"redis://127.0.0.1:{port}/0"
            command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
            self.part = Part("redis", command, {"PATH": os.environ["PATH"]}, logs / "redis.log")

    def empty(self) -> None:
        """Every hint is gone."""
        if self.part is None:
            filequeue.empty(self.folder / "messages")
            return
        parts = urlsplit(self.url)
        with suppress(OSError), socket.create_connection((parts.hostname, parts.port), timeout=5) as line:
            line.sendall(b"FLUSHALL\r\n")
            line.recv(100)


@dataclass
class Product:
    """All of it."""

    folder: Path
    database: Database
    broker: Broker
    parts: dict[str, Part]
    sink_port: int

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def sink(self) -> Part:
        return self.parts["sink"]

    def named(self, *beginnings: str) -> list[Part]:
        """The parts whose names begin so."""
        return [part for name, part in self.parts.items() if name.startswith(beginnings)]

    def watch(self, pause: float = 0.2) -> None:
        """Start again whatever has ended a while ago."""
        for part in self.parts.values():
            part.watch(pause)

    def set_faults(self, spec: str, seed: int) -> None:
        """Have the sink started anew, with these faults."""
        self.sink.stop()
        self.sink.command = _sink(self.sink_port, self.journal, spec, seed)
        self.sink.start()


@contextmanager
def product(folder: Path, *, spec: str, seed: int) -> Iterator[Product]:
    """A migrated database runs within the block; the parts are there, not started, and all are ended after it."""
    logs = folder / "log"
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = stack.enter_context(_database(folder))
        broker = Broker(folder, logs)
        ours = os.environ | {
            "DATABASE_URL": database.url,
            "REDIS_URL": broker.url,
            "PERENNIAL_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PLAIN_HTTP": "1",
            "PYTHONPATH": str(ROOT),
            supervisor.MARK: str(folder.resolve()),
        }  # fmt: skip
        port = free_port()
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=ours, check=True)
        made = Product(folder, database, broker, {}, port)
        parts = [Part("sink", _sink(port, made.journal, spec, seed), ours, logs / "sink.log")]
        parts += [broker.part] if broker.part else []
        parts += [Part(name, command, ours, logs / f"{name}.log") for name, command in _several(folder)]
        made.parts = {part.name: part for part in parts}
        try:
            yield made
        finally:
            for part in reversed(parts):
                part.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _several(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """What the product runs in the background, in haste, and two of each but the jobs."""
    for name, celery in supervisor.background().items():
        command = ["faults.hasty" if each == "celery" else each for each in celery]
        yield name, command
        if name == "beat":
            yield "beat2", [*command, "--schedule", str(folder / "beat2")]
        elif name != "jobs":
            yield f"{name}2", [each.replace(f"{name}@", f"{name}2@") for each in command]


def _sink(port: int, journal: Path, spec: str, seed: int) -> list[str]:
    return [sys.executable, "-m", "faults.sink", "--port", str(port), "--journal", str(journal),
            "--faults", spec, "--seed", str(seed)]  # fmt: skip


@contextmanager
def _database(folder: Path) -> Iterator[Database]:
    """On the server of DATABASE_URL a database of its own, dropped afterwards; else a server of its own."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        with embedded.running(folder) as server:
            yield Database(server.url, server)
        return
    name = f"perennial_faults_{os.getpid()}"
    with _administering(url) as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield Database(urlsplit(url)._replace(path=f"/{name}").geturl(), None)
    finally:
        with _administering(url) as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _administering(url: str) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(urlsplit(url)._replace(path="/postgres").geturl())
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
