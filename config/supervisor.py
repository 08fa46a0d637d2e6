"""The whole product from one command: database, web, workers and clock, watched, restarted, and stopped together.

    python -m config.supervisor [--data DIR] [--port N] [--empty | --smoke]

One supervisor runs on a data folder. Its children carry a mark in their environment; a supervisor that was killed
leaves them running, and the next start finds them by that mark, stops them, and takes the database over as it is.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

from config import data, embedded, filequeue

DEMO_USER = "demo@perennial.example"
MARK = "PERENNIAL_CHILD_OF"
ROOM_FOR_LOG = 10 * 2**20  # bytes; a longer log is put aside at the next start
STOP_SECONDS = 10.0
WEB_SECONDS = 60.0
SLOWEST_RESTART = 30.0
STEADY = 60.0  # seconds a child has to live for its next end to count as the first

here = Path(__file__).resolve().parent.parent
stopping = threading.Event()


class Stopped(Exception):
    """Nothing can go on; the message says why and what to do."""


@dataclass
class Child:
    """One process that should always run."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    keep: tuple[int, ...] = ()  # file descriptors it inherits
    process: subprocess.Popen[bytes] | None = None
    ended: int = 0  # times in a row
    since: float = 0.0
    due: float = 0.0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=here, env=self.environment, pass_fds=self.keep,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.since = time.monotonic()

    def watch(self) -> None:
        """Start it again, after a pause that doubles, when it has ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
        elif (code := self.process.poll()) is not None:
            self.ended = 1 if now - self.since > STEADY else self.ended + 1
            pause = _pause(self.ended)
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # pool processes that it may have left
            say(f"{self.name} ended ({_ending(code)}); starting it again in {pause:g} s. Its log: {self.log}")
            self.process, self.due = None, now + pause


def main() -> int:
    asked = _asked()
    if asked.smoke:  # a process of its own, that starts this one again and looks at it from outside
        os.execv(sys.executable, [sys.executable, "-E", "-s", "-S", str(here / "smoke")])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with _only_one(data.make(asked.data)):
            _stop_left_behind(asked.data)
            run(asked)
    except (Stopped, embedded.Unavailable) as reason:
        say(str(reason))
        return 1
    return 0


def run(asked: argparse.Namespace) -> None:
    """Start everything, watch until told to stop, stop everything."""
    outside = os.environ.get("DATABASE_URL", "")
    if outside:
        _try_database(outside)
    if not os.environ.get("REDIS_URL"):
        filequeue.empty(asked.data / "queue")
    with _listening(asked.port) as web, nullcontext() if outside else embedded.running(asked.data) as server:
        address = f"http://127.0.0.1:{web.getsockname()[1]}"
        environment = {"PUBLIC_ADDRESS": address} | _environment(asked.data, server.url if server else outside)
        login = _prepare(asked, environment)
        comes = _ask_for_company(asked, environment)
        children = _children(asked.data, environment, web)
        try:
            children[0].start()  # the web alone at first: somebody waits for it
            _announce(web.getsockname()[1], login, children[0], asked.data, comes)
            _watch(children, server)
        finally:
            say("stopping …")
            _stop(asked.data)
    say("stopped.")


def say(text: str) -> None:
    """Tell whoever sits before the terminal."""
    with suppress(BrokenPipeError):
        print(text, flush=True)


def _asked() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="bin/demo", description="Run all of Perennial on this machine.")
    options.add_argument("--data", type=Path, default=data.folder(), metavar="DIR", help="data folder (default: var/)")
    options.add_argument("--port", type=int, default=8000, metavar="N", help="port (8000, else the next free one)")
    options.add_argument("--empty", action="store_true", help="nothing but a first user; no demo company")
    options.add_argument(
        "--smoke", action="store_true",
        help="try all of it, from a file to a funnel, on a temporary folder; say what held, and stop",
    )  # fmt: skip
    asked = options.parse_args()
    asked.data = asked.data.absolute()
    return asked


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip()
            raise Stopped(f"Process {owner} already runs on {folder}. Stop it, or name another --data.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """The port, ours from now on: web processes come and go, and visitors wait instead of being refused."""
    for candidate in range(port, min(port + 100, 65536)):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", candidate))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        if candidate != port:
            say(f"Port {port} is taken; using {candidate}.")
        with listener:
            yield listener
        return
    raise Stopped(f"No free port from {port} on; name another with --port.")


def _environment(folder: Path, database: str) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": database,
        "PERENNIAL_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PLAIN_HTTP": "1",
        MARK: str(folder.resolve()),
    }


def _try_database(url: str) -> None:
    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.Error as error:
        raise Stopped(f"The database that DATABASE_URL names does not answer:\n{error}".rstrip()) from None


def _prepare(asked: argparse.Namespace, environment: dict[str, str]) -> str:
    """Migrate and make the demo user; returns the line that tells how to sign in."""
    password = asked.data / "demo-password"
    if not password.exists():
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(9))
    command = [sys.executable, "manage.py", "prepare", "--user", DEMO_USER, "--password-file", str(password)]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, start_new_session=True)
    if done.returncode:
        raise Stopped(f"The database could not be made ready:\n{(done.stderr or done.stdout).strip()}")
    if "password is another" in done.stdout:
        return "sign in with your own account"
    return f"sign in as {DEMO_USER} with the password {password.read_text()}"


def _ask_for_company(asked: argparse.Namespace, environment: dict[str, str]) -> str:
    """On the first start, have the workers load the demo company unless told not to; what to tell of it."""
    seen = asked.data / "demo-company"
    if seen.exists():
        return ""
    told = "no"
    if not asked.empty:
        command = [sys.executable, "manage.py", "load_demo", "--ask", "--by", DEMO_USER]
        done = subprocess.run(
            command, cwd=here, env=environment, capture_output=True, text=True, start_new_session=True
        )  # fmt: skip
        told = "asked for" if done.returncode == 0 else done.stderr.strip()
    seen.write_text(told)
    return "The demo company is being loaded; the home page shows how far it is." if told == "asked for" else ""


def _children(folder: Path, environment: dict[str, str], web: socket.socket) -> list[Child]:
    logs = folder / "log"
    logs.mkdir(exist_ok=True)
    commands = {
        "web": [sys.executable, "-m", "gunicorn", "--config", "python:config.web", "--bind", f"fd://{web.fileno()}",
                "--workers", "2", "--graceful-timeout", "5", "--no-control-socket"],
        **background(),
    }  # fmt: skip
    return [
        Child(name, command, environment, _log(logs / f"{name}.log"), (web.fileno(),) if name == "web" else ())
        for name, command in commands.items()
    ]


def background() -> dict[str, list[str]]:
    """The commands of what works unseen, by name: workers and the clock. They are told the rest by the environment."""
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "config.celery"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return {
        "worker": [*celery, "worker", "-n", "worker@%h", "-Q", "quick", "--concurrency", "2", *quiet],
        "jobs": [*celery, "worker", "-n", "jobs@%h", "-Q", "jobs", "--concurrency", "2", *quiet],
        "mail": [*celery, "worker", "-n", "mail@%h", "-Q", "mail", "--concurrency", "2", *quiet],
        "hooks": [*celery, "worker", "-n", "hooks@%h", "-Q", "hooks", "--concurrency", "1", *quiet],
        "beat": [*celery, "beat", "--pidfile="],
    }


def _log(path: Path) -> Path:
    if path.exists() and path.stat().st_size > ROOM_FOR_LOG:
        path.replace(path.with_suffix(".log.1"))
    return path


def _announce(port: int, login: str, web: Child, folder: Path, comes: str) -> None:
    """Print address and login as soon as the web answers."""
    deadline = time.monotonic() + WEB_SECONDS
    while not (status := _status(port)):
        web.watch()
        if stopping.wait(0.1):
            return
        if time.monotonic() > deadline:
            raise Stopped(f"The web does not answer; its log: {web.log}")
    if status >= 500:
        say(f"The web answers with error {status}; its log: {web.log}")
    say(f"\n  Perennial runs at http://127.0.0.1:{port}/\n  {login}\n")
    if comes:
        say(f"  {comes}")
    say(f"  Data and logs in {folder}. Ctrl-C stops all of it.\n")


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _watch(children: list[Child], server: embedded.Server | None) -> None:
    ended, due = 0, 0.0
    while not stopping.wait(0.5):
        if server and not server.runs() and time.monotonic() >= due:
            ended += 1
            say("the database ended; starting it again …")
            due = time.monotonic() + _pause(ended)
            with _told():
                server.start()
                ended = 0
        for child in children:
            child.watch()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except embedded.Unavailable as reason:
        say(str(reason))


def _stop(folder: Path) -> None:
    """Ask every process of ours to end, and end what does not within seconds; a second Ctrl-C does not wait."""
    stopping.clear()
    left = _marked(folder)
    for process in left:
        # Pool processes are ended by the worker they belong to.
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in {other.pid for other in left}:
                process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while (left := _marked(folder)) and time.monotonic() < deadline and not stopping.wait(0.1):
        pass
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def _stop_left_behind(folder: Path) -> None:
    if left := _marked(folder):
        say(f"Stopping {len(left)} processes that an earlier start left behind …")
        _stop(folder)


def _marked(folder: Path) -> list[psutil.Process]:
    """Processes that carry our mark, by whichever start."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(folder.resolve()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _pause(times: int) -> float:
    return min(0.5 * 2 ** (times - 1), SLOWEST_RESTART)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


if __name__ == "__main__":
    sys.exit(main())
