"""The web server's own settings, in processes as gunicorn makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# As the server does: its settings, the application, then processes that answer.
SERVER = """
import os
from config import web
import django
django.setup()
from django.utils import timezone
from kit import metrics

for _ in range(2):
    if not os.fork():
        for _ in range(3):
            metrics.answered("home", 200, 0.05)
        os._exit(0)
for _ in range(2):
    os.wait()
metrics.answered("home", 200, 0.05)
metrics._collectors.clear()
print(metrics.text(timezone.now()).decode())
web.on_exit(None)
"""


def test_whichever_process_is_scraped_tells_the_requests_of_all(tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", SERVER], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'perennial_request_seconds_count{route="home",status="200"} 7.0' in done.stdout
    assert list(tmp_path.iterdir()) == [], "the files go with the server"
