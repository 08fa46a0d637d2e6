"""W11: a campaign's mails written for each reader, tracked, in HTML and text, beside smtplib that sends ready bytes.

Ours is the product's path from messages that wait to rows that tell what became of each: claim, write, ask for consent,
suppression and cap, intend, send, note. The reference is as many connections of smtplib, each of a process of its own,
which send bytes that ours made: no writing, no rows, no asking. Both send into the same sink, which journals each message
before it answers. After each of our turns all messages are noted as sent and in the journal, each once.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from audience import consent
from audience.models import Topic
from bench import history, measuring
from campaigns import channels, journeys, plans, rendering, sending
from campaigns.models import Campaign, CampaignVersion, ChannelSetting, Content, ContentVersion, Sender
from faults import sink
from kit import installation
from kit.sql import Sql, sql, value
from kit.sql import run as execute

COUNTS = "messages"  # what the workload is measured by
PROCESSES = 2  # of the product's worker for mail
CONNECTIONS = (8, 2)  # of all of them together: as many as they keep unless told otherwise, and one each
SAMPLE = 1000  # different letters that the reference sends in turn
PARAGRAPH = """<p style="margin:0 0 16px">Whoever plans a year ahead wants to know what {{ person.city | default: "your
town" }} asks for, and why so many ask for it twice. We looked into it for a month, spoke with those who buy, and wrote
down what they told us: it is shorter than you think, and it has a table. <a href="https://example.com/read/%d">Read the %d. part</a></p>"""
LETTER = f"""<html><head><style>p {{ font: 16px/1.5 sans-serif; color: #222 }} a {{ color: #0645ad }}</style></head><body>
<h1>{{{{ person.first_name | default: "Good day" }}}}, three things for you</h1>
{"".join(PARAGRAPH % (n, n) for n in range(1, 7))}
<p>Yours, Ada{{% if person.country == "DE" %}} (in Berlin on Tuesdays){{% endif %}}</p></body></html>"""


def run(messages: int, _activities: int, repeats: int) -> Iterator[dict[str, Any]]:
    """One figure for the product's own number of connections, and one for a connection of each process."""
    version = _campaign(messages)
    for connections in CONNECTIONS:
        with _sink() as (port, journal):
            _through(port, connections // PROCESSES)
            _write_messages(version, messages)
            letters = _letters()
            peaks: list[int] = []

            def before(journal: Path = journal) -> None:
                os.truncate(journal, 0)
                _write_messages(version, messages)

            def ours(journal: Path = journal, peaks: list[int] = peaks) -> None:
                peaks.append(_senders(PROCESSES, ["ours"]))
                _all_arrived(journal, messages)

            def reference(port: int = port, connections: int = connections, letters: Path = letters) -> None:
                _senders(connections, ["raw", str(port), str(letters), str(messages // connections)])

            figure = measuring.compare(ours, reference, before=before, repeats=repeats)
            yield {
                "case": f"{connections} connections",
                "people": messages,
                "messages": messages,
                **figure,
                "per_s": round(messages / figure["ours_s"]) if figure["ours_s"] else None,
                "rows": messages,
                "peak_rss_mb": max(peaks),
            }


def _campaign(people: int) -> CampaignVersion:
    """People who agreed, and a campaign of one mail that all of them are in."""
    history.fill(people, 0)
    now = timezone.now().replace(microsecond=0)
    topic, _new = Topic.objects.get_or_create(slug="bench", defaults={"label": "Bench"})
    acts = sql(
        "SELECT id AS person_id, {}::bigint AS topic_id, true AS given, 'consent' AS basis, '' AS wording, "
        "'bench' AS source, {}::timestamptz AS occurred_at FROM audience_person",
        topic.pk,
        now,
    )
    consent.record_many(acts, now=now)
    installation.put("postal_address", "Bench, 1 Long Road")
    sender = Sender.objects.create(name="Ada of Bench", address="ada@bench.example", is_default=True)
    campaign = plans.create("Bench", kind=Campaign.Kind.NEWSLETTER, by=None, now=now)
    plans.change_campaign(campaign, topic=topic, sender=sender)
    draft = plans.draft_of(campaign, by=None, now=now)
    plans.add_step(draft, "send", content=_content(now))
    plans.launch(draft, by=None, now=now)
    draft.refresh_from_db()
    return draft


def _content(now: Any) -> Content:
    subject = "{{ person.first_name | default: 'Hello' }}, three things"
    compiled = rendering.compile(LETTER, "html", subject=subject)
    content = Content.objects.create(slug="bench", name="Bench", created_at=now, updated_at=now)
    ContentVersion.objects.create(
        content=content, number=1, subject=subject, source=LETTER, html=compiled.html, text=compiled.text,
        links=compiled.links, created_at=now,
    )  # fmt: skip
    return content


def _write_messages(version: CampaignVersion, number: int) -> None:
    """Everybody comes to the step anew, and advancing writes their messages."""
    execute(Sql("TRUNCATE campaigns_enrollment, campaigns_message CASCADE"))
    now = timezone.now()
    execute(
        sql(
            "INSERT INTO campaigns_enrollment (campaign_id, version_id, person_id, state, step_id, step_at, wake_at, "
            "why, reason, entered_at) SELECT {}, {}, id, 'active', {}, {}, {}, '', '', {} FROM audience_person",
            version.campaign_id,
            version.pk,
            version.steps.get().pk,
            now,
            now,
            now,
        )
    )
    journeys.run_all(now)
    assert value(Sql("SELECT count(*) FROM campaigns_message WHERE state = 'queued'")) == number


def _through(port: int, connections: int) -> None:
    setting = channels.setting_of("email")
    told = {"host": "127.0.0.1", "port": port, "security": "none", "connections": connections}
    ChannelSetting.objects.filter(pk=setting.pk).update(provider="smtp", settings=told)


@contextmanager
def _sink() -> Iterator[tuple[int, Path]]:
    """A sink in a process of its own: its port and its journal."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal"
        command = [sys.executable, "-m", "faults.sink", "--journal", str(journal)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                yield int(process.stdout.readline().rpartition(":")[2]), journal
            finally:
                process.terminate()


def _letters() -> Path:
    """What ours sends to the first thousand, byte by byte."""
    with sink.running() as server:
        setting = ChannelSetting.objects.get(channel="email")
        told = setting.settings
        _through(server.port, 1)

        while len(server.taken) < SAMPLE and sending.run_once(timezone.now(), owner="bench"):
            pass
        _through(told["port"], told["connections"])
        taken = server.taken[:SAMPLE]
    path = Path(tempfile.mkdtemp()) / "letters"
    path.write_bytes(pickle.dumps([(each.sender, each.recipient, each.raw) for each in taken]))
    return path


def _senders(number: int, arguments: list[str]) -> int:
    """Start so many, give the word when all are ready, wait until all are done; the most memory that one held, in MB."""
    environment = os.environ | {"DATABASE_URL": url(), "PYTHONPATH": str(settings.BASE_DIR)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.posting", *arguments],
            env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(number)
    ]  # fmt: skip
    for each in processes:
        assert each.stdout and each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin
        each.stdin.write("go\n")
        each.stdin.flush()
    told = [each.communicate()[0] for each in processes]
    assert all(each.returncode == 0 for each in processes)
    return max(int(each) for each in told)


def url(database: str = "") -> str:
    """Where a database of this server is: the bench's own unless another is named."""
    parts = connection.get_connection_params()
    query = f"?host={parts['host']}" if parts.get("host") else ""
    return f"postgres://{parts.get('user', '')}@/{database or parts['dbname']}{query}"


def _all_arrived(journal: Path, number: int) -> None:
    taken = [each.id for each in sink.read(journal)]
    assert len(taken) == len(set(taken)) == number
    assert value(Sql("SELECT count(*) FROM campaigns_message WHERE state = 'sent'")) == number
