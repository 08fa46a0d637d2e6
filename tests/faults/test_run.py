"""A minute of it all: real processes killed at random, a mail server that fails, and a promise that holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PERENNIAL_DATA")


@pytest.mark.embedded
@pytest.mark.faults
def test_nothing_is_sent_twice_or_lost_while_everything_is_killed() -> None:
    alone = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(
        [sys.executable, "-m", "faults", "--minutes", "0.6", "--seed", "11", "--people", "150", "--json"],
        cwd=ROOT, env=alone | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert list(figures) == ["messages", "kills", "duplicates", "lost", "open", "unknown", "seed"]
    assert figures["duplicates"] == figures["lost"] == figures["open"] == 0 and figures["seed"] == 11
    assert figures["messages"] >= 150 and figures["kills"] >= 2, "it was no test of anything"


def test_it_says_what_it_does_and_refuses_faults_that_there_are_not() -> None:
    ask = [sys.executable, "-m", "faults"]
    told = subprocess.run([*ask, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0 and "duplicates" in told.stdout and "--minutes" in told.stdout
    refused = subprocess.run([*ask, "--faults", "sneeze@dot:1"], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2 and "sneeze@dot" in refused.stderr
