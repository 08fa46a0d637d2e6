"""Faults on purpose: armed by the environment alone, and only at points that exist."""

import os
import signal
import subprocess
import sys

import pytest

from campaigns import faults

RUN = "from campaigns import faults\nfor _ in range(3): faults.point('after-intent'); print('on', flush=True)"


def run(fault: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PERENNIAL_FAULT": fault}
    return subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("fault, lines", [("after-intent", 0), ("after-intent@3", 2)])
def test_the_process_dies_at_the_point_without_a_last_word(fault, lines):
    died = run(fault)
    assert died.returncode == -signal.SIGKILL and died.stdout.count("on") == lines


def test_other_points_and_no_fault_at_all_do_nothing():
    assert run("before-dot").stdout.count("on") == run("").stdout.count("on") == 3


def test_a_point_that_does_not_exist_is_refused_at_once():
    assert "there are:" in run("after-lunch").stderr
    with pytest.raises(ValueError):
        faults._armed("after-lunch")
