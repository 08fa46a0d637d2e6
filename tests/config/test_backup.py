"""A backup as the operators' document makes it, restored to another server with another data folder.

The ledger balances there and nothing is sent, until somebody says that this copy is the live one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import embedded

pytestmark = pytest.mark.embedded
ROOT = Path(__file__).resolve().parents[2]

# A lifecycle with moves, a campaign that runs, people on their way in it, and messages that should leave this moment.
FILL = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from campaigns import entry, sending
from campaigns.models import Message
from kit import instance
from tests.campaigns import mailing
from tests.factories import published
from tests.reporting import ledger

sales = ledger.lifecycle()
for number in range(20):
    ledger.walk(sales, ("lead", 1), ("mql", 5), ("won" if number % 3 else "lost", 9))
assert instance.is_live(), "it belongs to whoever ran it first"
version = mailing.running()
now = timezone.now()
for _ in range(5):
    mailing.queued(version, now=now - timedelta(minutes=1))
entry.enroll(version.campaign, [mailing.reader().pk for _ in range(3)], by=None, now=now)
"""

# What workers do all day.
WORK = """
import json, django
django.setup()
from datetime import timedelta
from django.utils import timezone
from audience import tasks as audience
from campaigns import tasks as campaigns
from campaigns.models import Letter, Message
from kit import instance, jobs
from kit.models import Heartbeat, Job

if %(confirm)r:
    instance.confirm(by=None, now=timezone.now())
for task in (audience.judge, campaigns.advance, campaigns.send, campaigns.sweep_messages, campaigns.send):
    task()
print(json.dumps({
    "letters": Letter.objects.count(),
    "queued": Message.objects.filter(state="queued").count(),
    "sent": Message.objects.filter(state="sent").count(),
    "why": str(instance.mismatch() or ""),
}))
"""


class Machine:
    """A server and a data folder, as one machine has them."""

    def __init__(self, folder: Path, server: embedded.Server) -> None:
        self.folder, self.url = folder, server.url
        self.programs = embedded._programs(server.home, embedded._account())
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = kept | {
            "DATABASE_URL": server.url, "PERENNIAL_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": str(ROOT), "LOG_LEVEL": "WARNING",
        }  # fmt: skip

    def run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command[:3]}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def manage(self, *command: str) -> str:
        return self.run(sys.executable, "manage.py", *command)

    def work(self, *, confirm: bool = False) -> dict[str, Any]:
        return json.loads(self.run(sys.executable, "-c", WORK % {"confirm": confirm}).splitlines()[-1])


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        with (
            embedded.running(folder / "here", durable=False) as here,
            embedded.running(folder / "there", durable=False) as there,
        ):
            yield Machine(folder / "here", here), Machine(folder / "there", there)


def test_a_restored_backup_balances_and_sends_nothing(machines: tuple[Machine, Machine], tmp_path: Path) -> None:
    here, there = machines
    here.manage("prepare")
    here.run(sys.executable, "-c", FILL)
    dump = str(tmp_path / "perennial.dump")
    here.run(str(here.programs / "pg_dump"), "--format=custom", f"--file={dump}", here.url)

    there.run(str(there.programs / "pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={there.url}", dump)
    shutil.copy(here.folder / "secret-key", there.folder / "secret-key")  # the keys are the other half of a backup
    there.manage("prepare")
    checked = json.loads(there.manage("check_ledger", "--json"))
    assert checked["found"] == 0
    assert [checked["lifecycles"]["sales"][name] for name in ("memberships", "movements")] == [20, 60]

    told = there.work()
    assert told["letters"] == told["sent"] == 0, "nothing left"
    assert told["queued"] >= 5 and "another machine" in told["why"]

    live = there.work(confirm=True)
    assert live["why"] == "" and live["letters"] == live["sent"] == told["queued"], "that is what held it back"
