"""W4: activities by the thousand over HTTP, keys checked, rows validated and deduped, against DRF as it is usually written.

Four clients post batches of a thousand to a server of two processes (gunicorn as `bin/demo` starts it), first new ones,
then the same again. The reference (`bench/plain.py`) runs on the same server. In the second figure it is COPY of the
same rows as text into staging and one INSERT that finds people and kinds, by one connection, without HTTP or a check.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from audience.models import Activity
from bench import history, measuring
from integrations import keys
from kit.models import User
from kit.sql import Sql, sql
from kit.sql import run as execute

CLIENTS, PROCESSES, BATCH = 4, 2, 1000
KINDS = ("page_visited", "email_opened", "form_sent", "call", "webinar_attended")
PORTS = {"config.wsgi": 18931, "bench.plain": 18932}
ADDRESS = "/api/v1/activities/batch/"


def run(number: int, activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Three figures: new ones and the same again against DRF, and new ones against COPY and one statement."""
    call_command("collectstatic", interactive=False, verbosity=0)  # for pages of errors
    until = history.fill(number, 0)
    history.spoil()
    told = min(activities, 100_000) // BATCH
    batches = [_batch(each, number, until) for each in range(told)]
    user, _new = User.objects.get_or_create(email="bench@example.com", defaults={"role": User.Role.OPS})
    _key, secret = keys.make("bench", keys.all_scopes(), user=user, by=None, now=timezone.now())
    bodies = [json.dumps({"source": "bench", "activities": batch}).encode() for batch in batches]
    rows = {"people": number, "activities": told * BATCH, "rows": told * BATCH}
    with _server("config.wsgi"), _server("bench.plain"):

        def ours() -> None:
            _post(PORTS["config.wsgi"], bodies, secret)

        def plain() -> None:
            _post(PORTS["bench.plain"], bodies, secret)

        def there() -> None:
            assert Activity.objects.count() == told * BATCH, Activity.objects.count()

        def compare(case: str, reference: Any, before: Any) -> dict[str, Any]:
            figure = measuring.compare(ours, reference, before=before, after=there, repeats=repeats)
            return {"case": case, **rows, **figure, "peak_rss_mb": measuring.peak_rss_mb()}

        yield compare("new, against DRF", plain, _empty)
        yield compare("told again, against DRF", plain, measuring.nothing)
        yield compare("new, against COPY and a statement", lambda: _copy(batches), _empty)


def _batch(nth: int, people: int, until: datetime) -> list[dict[str, Any]]:
    """A thousand activities of people all over the table."""
    return [
        {
            "external_id": f"{nth}-{each}",
            "kind": KINDS[each % len(KINDS)],
            "occurred_at": (until - timedelta(minutes=nth * 7 + each)).isoformat(),
            "person": {"email": f"p{1 + (nth * 7919 + each * 104_729) % people}@example.com"},
            "channel": "web",
            "direction": "inbound",
            "properties": {"path": f"/page/{each % 50}"},
        }
        for each in range(BATCH)
    ]


def _empty() -> None:
    execute(Sql("TRUNCATE audience_activity, audience_dirty CASCADE"))


@contextmanager
def _server(module: str) -> Iterator[None]:
    """Answers on its port until it is done with."""
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {
        **os.environ, "DATABASE_URL": address, "PLAIN_HTTP": "1", "API_REQUESTS_A_MINUTE": "0", "LOG_LEVEL": "ERROR",
        "SECRET_KEY": settings.SECRET_KEY, "PYTHONPATH": str(settings.BASE_DIR),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "gunicorn", f"{module}", "--bind", f"127.0.0.1:{PORTS[module]}", "--preload",
        "--workers", str(PROCESSES), "--threads", "4", "--log-level", "error",
    ]  # fmt: skip
    with subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR) as server:
        try:
            _await(PORTS[module])
            yield
        finally:
            server.terminate()


def _await(port: int) -> None:
    for _turn in range(600):
        try:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            link.request("GET", "/")
            link.getresponse()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nobody answers on port {port}")


def _post(port: int, bodies: list[bytes], secret: str) -> None:
    """Four clients share the batches; each must be taken whole."""
    failed: list[Any] = []

    def send(nth: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        for body in bodies[nth::CLIENTS]:
            link.request("POST", ADDRESS, body, headers)
            answer = link.getresponse()
            said = answer.read()
            if answer.status != 200 or sum(json.loads(said)[each] for each in ("new", "known")) != BATCH:
                failed.append((answer.status, said[:500]))
        link.close()

    threads = [threading.Thread(target=send, args=[nth]) for nth in range(CLIENTS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed, failed[:3]


def _copy(batches: list[list[dict[str, Any]]]) -> None:
    """A batch at a time: text into staging, and out of it by one statement."""
    now = timezone.now()
    for batch in batches:
        lines = io.StringIO()
        for row in batch:
            told = (row["external_id"], row["kind"], row["occurred_at"], row["person"]["email"], row["channel"],
                    row["direction"], json.dumps(row["properties"]))  # fmt: skip
            lines.write("\t".join(each.replace("\\", "\\\\") for each in told) + "\n")
        lines.seek(0)
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMP TABLE IF NOT EXISTS told (external_id text, kind text, occurred_at timestamptz, "
                "email text, channel text, direction text, properties jsonb)"
            )
            cursor.execute("TRUNCATE told")
            cursor.cursor.copy_expert("COPY told FROM STDIN", lines)
        execute(
            sql(
                """INSERT INTO audience_activity (person_id, account_id, kind_id, channel, direction, properties,
                                                  occurred_at, recorded_at, source, external_id)
                   SELECT p.id, p.account_id, k.id, t.channel, t.direction, t.properties, t.occurred_at, {}, 'bench',
                          t.external_id
                   FROM told t JOIN audience_person p ON lower(p.email COLLATE "C") = t.email AND p.email <> ''
                   JOIN audience_activitykind k ON k.slug = t.kind ON CONFLICT (source, external_id) DO NOTHING""",
                now,
            )
        )
