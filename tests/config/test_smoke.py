"""`bin/demo --smoke`: all of it from the outside; that it says so when something is broken, and leaves nothing behind."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from kit.models import User
from tests import factories

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "smoke"
ALONE = [sys.executable, "-E", "-s", "-S"]  # no packages but Python's own
PASSWORD = "a long password"


@pytest.fixture
def place() -> Iterator[Path]:
    """Where temporary folders are made meanwhile: so it can be seen what is left there."""
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o711)
        yield Path(root)


def begin(place: Path) -> subprocess.Popen[str]:
    """As bin/demo does it, in an environment that names another database, which must not be touched."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "config.supervisor", "--smoke"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(place), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/no"},
    )  # fmt: skip


def told(output: str) -> dict[str, Any]:
    return json.loads(output.strip().splitlines()[-1])


def left_behind(place: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(place) in " ".join([*process.cmdline(), process.cwd(), process.environ().get("PERENNIAL_DATA", "")]):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.embedded
def test_the_main_job_is_done_from_a_file_to_a_funnel_and_nothing_is_left(place: Path) -> None:
    with begin(place) as smoke:
        output, progress = smoke.communicate(timeout=1800)
    assert smoke.returncode == 0, output + progress
    figures = told(output)
    assert figures["ok"] and "failed" not in figures
    assert (figures["people"], figures["rejected"], figures["moved"]) == (60, 2, 1)
    assert sum(figures["placed"].values()) == sum(stage["now"] for stage in figures["funnel"].values()) == 60
    assert (figures["entered"], figures["messages"], figures["clicks"], figures["unsubscribed"]) == (24, 23, 1, 1)
    assert figures["api"] == {"people": 1, "activities": 4, "net_new_b2b": "mql"}
    assert {"start", "import two files", "ask by the API", "all"} <= set(figures["seconds"])
    assert len(output.strip().splitlines()) == 1, "figures alone on stdout, progress on stderr"
    assert left_behind(place) == [] and list(place.iterdir()) == []


@pytest.mark.embedded
def test_interrupted_it_says_so_and_leaves_nothing(place: Path) -> None:
    with begin(place) as smoke:
        assert smoke.stderr
        for line in smoke.stderr:
            if "started on" in line:
                break
        time.sleep(2)  # into the walk
        smoke.send_signal(signal.SIGTERM)
        output, progress = smoke.communicate(timeout=300)
    assert smoke.returncode == 1
    assert "--- web.log" in progress, "what its processes wrote last, before their folder goes"
    assert told(output)["failed"] == ["It was interrupted."]
    assert left_behind(place) == [] and list(place.iterdir()) == []


def walk(address: str, password: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [*ALONE, str(SMOKE / "walk.py"), address, "ada@perennial.example", str(password), *options],
        cwd=ROOT, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, told(done.stdout)


@pytest.fixture
def password(tmp_path: Path, transactional_db: None) -> Path:
    User.objects.create_user("ada@perennial.example", PASSWORD, name="Ada Lind", role=User.Role.ADMIN)
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    return file


def test_with_a_wrong_password_it_fails_and_says_who_could_not_sign_in(live_server: Any, password: Path) -> None:
    password.write_text("another one")
    code, figures = walk(live_server.url, password)
    assert code == 1 and not figures["ok"]
    assert "sign in as ada@perennial.example" in figures["failed"][0]


def test_without_workers_it_fails_and_says_what_was_not_done(live_server: Any, password: Path) -> None:
    code, figures = walk(live_server.url, password, "--patience", "2")
    assert code == 1 and not figures["ok"]
    assert figures["failed"][0].startswith("trying people.csv is done: expected True, and after 2 seconds it is False")
    assert set(figures["seconds"]) == {"sign in"}


def test_where_somebody_is_already_it_fails_with_both_numbers(live_server: Any, password: Path, worker: None) -> None:
    """An expectation that does not hold is named with what was found, and the walk goes on as far as it can."""
    factories.person(email="somebody@example.com")
    code, figures = walk(live_server.url, password, "--patience", "20")
    assert code == 1 and not figures["ok"]
    assert "people in the list: expected 60, found 61" in figures["failed"]


def test_it_is_a_visitor_that_knows_nothing_of_the_code() -> None:
    known = sys.stdlib_module_names | {path.stem for path in SMOKE.glob("*.py")}
    files = sorted(SMOKE.rglob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= known, path.name
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in ("__import__", "exec", "eval"), path.name
    assert "importlib" not in "".join(path.read_text() for path in files)
