"""An import in a process of its own, which kills itself on the way."""

from __future__ import annotations

import os
import subprocess
import sys

from django.conf import settings
from django.db import connection

# The process brings the file in, and kills itself at its nth step, within the transaction or just after its commit.
CHILD = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.conf import settings
from django.db import transaction
settings.UPLOADS = sys.argv[4]
from audience.importing import reading, running
from kit import jobs
from tests.audience.importing.bringing import NOW
reading.BATCH_ROWS, running.WRITTEN_AT_ONCE = 40, 40
steps, fatal, when = [], int(sys.argv[2]), sys.argv[3]
progress = jobs.Held.progress
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def counted(held, **reached):
    progress(held, **reached)
    steps.append(reached.get("phase"))
    if len(steps) == fatal:
        die() if when == "before" else transaction.on_commit(die)
jobs.Held.progress = counted
jobs.run(int(sys.argv[1]), NOW)
print(len(steps))
"""


def in_a_process(job: int, fatal: int, when: str) -> subprocess.CompletedProcess[str]:
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    environment = {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(settings.BASE_DIR)}
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(job), str(fatal), when, str(settings.UPLOADS)],
        capture_output=True, text=True, env=environment, cwd=settings.BASE_DIR, timeout=120,
    )  # fmt: skip
