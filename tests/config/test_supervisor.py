"""The whole product from one command, and what it does when its parts are killed: real processes, real signals."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from config import embedded, supervisor
from tests.patience import until

pytestmark = pytest.mark.embedded
ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """One supervisor, as bin/demo starts it, on nothing but its folder."""

    def __init__(self, folder: Path, port: int, *options: str, **environment: str) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.supervisor", "--data", str(folder), "--port", str(port), *options],
            cwd=ROOT, env=kept | environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def port(self) -> int:
        """The port it answers on, once it says so; a first start makes a database and all its tables."""
        until(lambda: re.search(r"http://127.0.0.1:(\d+)/", self.said) or self.process.poll() is not None, 300)
        found = re.search(r"http://127.0.0.1:(\d+)/", self.said)
        assert found, f"it did not come up:\n{self.said}"
        return int(found[1])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=5)
        return code


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One data folder for all starts; its path is too long for a socket.

    Not in pytest's own folder: each run of pytest by the same user closes that to the account the server runs as.
    """
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o711)
        yield Path(root) / ("a folder with a name " * 5).strip()


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Demo]]:
    """Starts supervisors, and ends whatever the test leaves."""
    started: list[Demo] = []

    def begin(port: int = 0, at: Path = folder, company: bool = False, **environment: str) -> Demo:
        options = () if company else ("--empty",)
        started.append(Demo(at, port or free_port(), *options, **environment))
        return started[-1]

    yield begin
    for demo in started:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()
        supervisor._stop(demo.folder)
    with embedded.running(folder):
        pass  # adopts what is left, and as its last user stops it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(port: int, path: str = "/sign-in/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def postmaster(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres" / embedded.MAJOR / "postmaster.pid").read_text().split()[0]))


def replaced(before: dict[str, psutil.Process], now: dict[str, psutil.Process], *names: str) -> bool:
    """Whether all are there, and those named in another process: asked of one look, for between two a child may end."""
    return set(now) == set(before) and all(now[name].pid != before[name].pid for name in names)


def children(demo: Demo) -> dict[str, psutil.Process]:
    """The five processes the supervisor itself started, by what they are."""
    found = {}
    for child in psutil.Process(demo.process.pid).children():
        with suppress(psutil.Error):
            line = " ".join(child.cmdline())
            marks = {name: f"-n {name}@" for name in ("worker", "jobs", "mail", "hooks")} | {
                "web": "gunicorn",
                "beat": " beat ",
            }
            for name, mark in marks.items():
                if mark in line:
                    found[name] = child
    return found


def alive_workers(server: embedded.Server) -> set[str]:
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT split_part(worker, '@', 1) FROM kit_heartbeat WHERE seen_at > clock_timestamp() - interval '15 s'"
        )
        return {row[0] for row in cursor.fetchall()}


def put_job(server: embedded.Server, kind: str) -> int:
    """A row as `jobs.enqueue` writes it, without a hint: the clock, one worker and then the other have to find it."""
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO kit_job (kind, title, payload, state, phase, rows_done, cursor, result, error, attempts,
                                    cancel_asked, owner, created_at)
               VALUES (%s, '', '{}', 'queued', '', 0, '{}', '{}', '', 0, false, '', now()) RETURNING id""",
            [kind],
        )
        return cursor.fetchone()[0]


def put_person(server: embedded.Server) -> None:
    """A fact as any writer writes it: whoever it is about is marked by the database itself."""
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO audience_person (first_seen_at) VALUES (now())")
        cursor.execute("SELECT count(*) FROM audience_dirty")
        assert cursor.fetchone()[0] == 1


def nobody_waits(server: embedded.Server) -> bool:
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audience_dirty")
        return cursor.fetchone()[0] == 0


def error_of(server: embedded.Server, job: int) -> str:
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT error FROM kit_job WHERE id = %s", [job])
        return cursor.fetchone()[0]


def test_it_starts_answers_and_leaves_nothing_behind(start: Callable[..., Demo]) -> None:
    begun = time.monotonic()
    demo = start()
    port = demo.port()
    print(f"first start: {time.monotonic() - begun:.1f} s")
    assert status(port) == 200
    assert "demo@perennial.example with the password" in demo.said
    with embedded.running(demo.folder) as server:
        until(lambda: alive_workers(server) == {"worker", "jobs", "mail", "hooks", "beat"})
        begun = time.monotonic()
        job = put_job(server, "painting")
        until(lambda: "does not know work of the kind “painting”" in error_of(server, job))
        print(f"a job without a hint: {time.monotonic() - begun:.1f} s")
        begun = time.monotonic()
        put_person(server)
        until(lambda: nobody_waits(server))
        print(f"somebody new judged: {time.monotonic() - begun:.1f} s")
    database, sockets = postmaster(demo.folder), Path(server._sockets or "")
    assert database.is_running() and sockets.exists(), "another user who leaves does not stop a server still in use"
    if os.geteuid() == 0:
        assert database.username() != "root"

    assert demo.stop() == 0
    assert "Traceback" not in demo.said and "Warning" not in demo.said
    assert not database.is_running() and not sockets.exists()
    assert supervisor._marked(demo.folder) == []

    begun = time.monotonic()
    again = start()
    again.port()
    print(f"second start: {time.monotonic() - begun:.1f} s")
    assert password(again) == password(demo)
    assert again.stop() == 0


def password(demo: Demo) -> str:
    found = re.search(r"with the password (\S+)", demo.said)
    assert found
    return found[1]


def test_a_killed_database_web_or_worker_is_started_again(start: Callable[..., Demo]) -> None:
    demo = start()
    port = demo.port()
    old = postmaster(demo.folder)
    old.kill()
    until(lambda: (demo.folder / "postgres" / embedded.MAJOR / "postmaster.pid").exists() and not old.is_running())
    until(lambda: "the database ended" in demo.said)
    until(lambda: status(port) == 200)
    assert postmaster(demo.folder).pid != old.pid

    until(lambda: len(children(demo)) == 6)
    before = children(demo)
    for name in ("web", "worker"):
        before[name].kill()
    until(lambda: replaced(before, children(demo), "web", "worker"))
    assert status(port) == 200
    assert demo.stop() == 0
    assert supervisor._marked(demo.folder) == []


def test_after_a_killed_supervisor_the_next_start_takes_over(start: Callable[..., Demo]) -> None:
    port = free_port()
    killed = start(port)
    killed.port()
    until(lambda: len(children(killed)) == 6)
    database, orphans = postmaster(killed.folder), children(killed)
    killed.process.kill()
    killed.process.wait()
    assert database.is_running()

    demo = start(port)
    assert demo.port() == port, "the port is free again, because who held it was stopped"
    assert "left behind" in demo.said
    assert postmaster(demo.folder).pid == database.pid, "the running server was adopted"
    assert not any(orphan.is_running() for orphan in orphans.values())
    assert status(port) == 200

    # An adopted server is watched like a child of one's own.
    database.kill()
    until(lambda: "the database ended" in demo.said)
    until(lambda: status(port) == 200)
    assert demo.stop() == 0
    assert supervisor._marked(demo.folder) == []


def test_a_second_supervisor_on_the_folder_is_refused_and_a_taken_port_gives_way(start: Callable[..., Demo]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = start(port)
        assert demo.port() > port
    assert f"Port {port} is taken" in demo.said
    second = start()
    assert second.process.wait(timeout=60) == 1
    until(lambda: "already runs on" in second.said)
    assert demo.stop() == 0


def test_a_database_given_from_outside_is_used_and_none_is_started(
    start: Callable[..., Demo], folder: Path, tmp_path: Path
) -> None:
    with embedded.running(folder) as server:
        demo = start(at=tmp_path / "beside", DATABASE_URL=server.url)
        assert status(demo.port()) == 200
        assert not (demo.folder / "postgres").exists()
        assert demo.stop() == 0
        assert server.runs()
    assert not server.runs()


@pytest.mark.redis
def test_a_redis_given_from_outside_carries_the_messages(start: Callable[..., Demo]) -> None:
    demo = start(REDIS_URL=os.environ["REDIS_URL"])
    demo.port()
    with embedded.running(demo.folder) as server:
        until(lambda: alive_workers(server) == {"worker", "jobs", "mail", "hooks", "beat"})
    assert not (demo.folder / "queue").exists()
    assert demo.stop() == 0


def test_a_database_that_cannot_be_reached_is_said_in_words(start: Callable[..., Demo]) -> None:
    demo = start(DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    assert demo.process.wait(timeout=60) == 1
    until(lambda: "does not answer" in demo.said, 5)
    assert "Traceback" not in demo.said


def test_the_first_start_has_the_demo_company_loaded_and_the_next_does_not_ask_again(
    start: Callable[..., Demo], folder: Path
) -> None:
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o711)
        demo = start(at=Path(root) / "new", company=True)
        demo.port()
        until(lambda: "The demo company is being loaded" in demo.said)
        with embedded.running(demo.folder) as server:
            until(lambda: loading(server) == [("running", 1)])
        assert demo.stop() == 0
        again = start(at=Path(root) / "new", company=True)
        again.port()
        with embedded.running(demo.folder) as server:
            assert len(loading(server)) == 1
        assert again.stop() == 0
        assert "is being loaded" not in again.said


def loading(server: embedded.Server) -> list[tuple[str, int]]:
    with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT state, attempts FROM kit_job WHERE kind = 'demo'")
        return list(cursor.fetchall())
