"""W14: the ten pages that are used most, at a number of people and at a tenth of it, by one user and by twenty at once.

Each size has a database and a server of its own (gunicorn as `bin/demo` starts it: two processes of four threads), both
on this machine, and they are asked in turns. The reference of a page is the same page at a tenth. Times are those of
whoever asks, over HTTP, from the request to the last byte; `cpu_ms` is what server and database computed for one look.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from bench.w11 import url

USERS = 20
PART = 10  # the smaller size
LOOKS = 10  # at each page and turn, of the one user
PATIENCE = 60.0  # seconds until a server answers


@dataclass(frozen=True)
class Site:
    """A server with its database: where it listens, whose cookie is signed in, its pages."""

    database: str
    port: int
    cookie: str
    pages: dict[str, dict[str, Any]]
    process: psutil.Process

    def look(self, name: str) -> float:
        """Milliseconds until the page is there."""
        begun = time.perf_counter()
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        asked.request(
            "GET", self.pages[name]["path"], headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.cookie}"}
        )
        answer = asked.getresponse()
        answer.read()
        asked.close()
        assert answer.status == 200, (name, answer.status)
        return (time.perf_counter() - begun) * 1000

    def computing(self) -> float:
        """Milliseconds of processor time that the server and its sessions of the database have taken so far."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [self.database]
            )
            sessions = [psutil.Process(pid) for (pid,) in cursor if psutil.pid_exists(pid)]
        return 1000 * sum(each.user + each.system for each in (p.cpu_times() for p in [*self._processes(), *sessions]))

    def peak_rss_mb(self) -> int:
        """The most memory that one of its processes holds."""
        return max(each.memory_info().rss >> 20 for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


Times = dict[str, list[float]]  # milliseconds, by page


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Twenty figures: each page alone, and with twenty users who open all of them in any order. Queries are the same."""
    with ExitStack() as stack:
        large = stack.enter_context(_site(connection.settings_dict["NAME"], number, activities))
        small = stack.enter_context(
            _site(f"{connection.settings_dict['NAME']}_small", number // PART, activities // PART)
        )
        for name, page in large.pages.items():
            assert page["queries"] == small.pages[name]["queries"], (name, page, small.pages[name])
        computing = {id(site): _computing(site) for site in (small, large, small, large)}
        for users, visit in ((1, _alone), (USERS, _together)):
            times: dict[int, Times] = {}
            for site in (small, large):
                visit(site)  # whatever is opened first is slow once
                times[id(site)] = defaultdict(list)
            for _turn in range(repeats):
                for site in (small, large):
                    for name, took in visit(site).items():
                        times[id(site)][name] += took
            for name, page in large.pages.items():
                ours, tenth = (_p95(times[id(site)][name]) for site in (large, small))
                yield {
                    "case": name, "users": users, "people": number, "activities": activities, "p95_ms": round(ours),
                    "reference_ms": round(tenth), "ratio": round(ours / tenth, 2),
                    "median_ms": round(statistics.median(times[id(large)][name])), "queries": page["queries"],
                    "cpu_ms": round(computing[id(large)][name]), "reference_cpu_ms": round(computing[id(small)][name]),
                    "peak_rss_mb": large.peak_rss_mb(),
                }  # fmt: skip


def _p95(times: list[float]) -> float:
    return sorted(times)[max(round(len(times) * 0.95) - 1, 0)]


def _alone(site: Site) -> Times:
    return {name: [site.look(name) for _look in range(LOOKS)] for name in site.pages}


def _computing(site: Site) -> dict[str, float]:
    """What a page takes of the processors, which a busy machine does not change: milliseconds of server and database."""
    found = {}
    for name in site.pages:
        before = site.computing()
        for _look in range(LOOKS):
            site.look(name)
        found[name] = (site.computing() - before) / LOOKS
    return found


def _together(site: Site) -> Times:
    """Twenty users at once, each of whom opens every page, in an order of their own."""
    found: Times = defaultdict(list)

    def work(user: int) -> None:
        names = list(site.pages)
        random.Random(user).shuffle(names)
        for name in names:
            found[name].append(site.look(name))

    users = [threading.Thread(target=work, args=(user,)) for user in range(USERS)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert all(len(times) == USERS for times in found.values())
    return found


@contextmanager
def _site(database: str, people: int, activities: int) -> Iterator[Site]:
    """A filled database (made where there is none, and then dropped behind) and a server on it."""
    with ExitStack() as stack:
        if database != connection.settings_dict["NAME"]:
            stack.enter_context(_database(database))
        environment = os.environ | {
            "DATABASE_URL": url(database),
            "PLAIN_HTTP": "1",
            "PYTHONPATH": str(settings.BASE_DIR),
        }
        fill = f"import django; django.setup(); from bench import whole; whole.tell({people}, {activities})"
        filled = subprocess.run(
            [sys.executable, "-c", fill], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        told = json.loads(filled.stdout.splitlines()[-1])
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--preload",
                   "--workers", "2", "--threads", "4", "--timeout", "600", "--log-level", "warning"]  # fmt: skip
        with subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR) as server:
            try:
                _await(port)
                yield Site(database, port, told["cookie"], told["pages"], psutil.Process(server.pid))
            finally:
                server.terminate()


@contextmanager
def _database(name: str) -> Iterator[None]:
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        yield
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _await(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
