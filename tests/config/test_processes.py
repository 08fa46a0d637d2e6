"""One set of processes, told four times: Procfile, supervisor, containers, documents. They say the same."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from config import supervisor

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "SECRET_KEY", "LASTING_KEY", "METRICS_TOKEN", "INSTALLATION_ID"}
OURS = {"PROMETHEUS_MULTIPROC_DIR"}  # set by the web for its own processes


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def asked_for(text: str) -> dict[str, bool]:
    """The variables that a compose file or a shell's line takes, and whether it can do without."""
    return {name: mark != ":?" for name, mark in re.findall(r"\$\{([A-Z_]+)(:[-?])?", text)}


def test_containers_run_what_the_procfile_runs() -> None:
    services = compose()["services"]
    assert {name: services[name]["command"] for name in procfile()} == procfile()
    assert set(services) == set(procfile()) | {"db", "redis"}


def test_the_supervisor_runs_the_same_workers_with_the_same_queues() -> None:
    wanted = {name: line.split() for name, line in procfile().items() if line.startswith("celery")}
    found = supervisor.background()
    assert set(found) == set(wanted)
    for name, command in found.items():
        for option in ("-A", "-n", "-Q", "--pidfile="):
            assert (option in command) == (option in wanted[name]), (name, option)
            if option in command and not option.endswith("="):
                assert command[command.index(option) + 1] == wanted[name][wanted[name].index(option) + 1]


def test_somebody_takes_from_every_queue_that_work_is_sent_to() -> None:
    taken = set(re.findall(r"-Q (\S+)", (ROOT / "Procfile").read_text()))
    routes = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert taken == routes | {settings.CELERY_TASK_DEFAULT_QUEUE}


def test_containers_wait_for_the_release_and_say_whether_they_live() -> None:
    services = compose()["services"]
    for name in set(procfile()) - {"release"}:
        after = services[name]["depends_on"]
        assert after["release"] == {"condition": "service_completed_successfully"}, name
        if name != "web":  # the image's own check is the web's
            assert services[name]["healthcheck"]["test"][-2:] == ["alive", name]
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_the_example_of_an_environment_has_whatever_containers_need_and_no_secret() -> None:
    needed = asked_for((ROOT / "compose.yaml").read_text())
    told = example()
    assert {name for name, optional in needed.items() if not optional} <= set(told) <= set(needed)
    assert {name: told[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")


def test_no_secret_goes_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".env.*", "var", ".git"} <= set(ignored)
    said = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"^(ARG|ENV).*(KEY|PASSWORD|TOKEN|SECRET)", said, re.MULTILINE)
    last = said.rpartition("FROM ")[2]
    assert last.index("USER perennial") < last.index("CMD")


def test_compose_accepts_the_file() -> None:
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True) if _has("docker") else None
    if asked is None or asked.returncode:
        pytest.skip("needs docker compose")
    given = example() | dict.fromkeys(SECRETS, "x")
    command = ["docker", "compose", "-f", "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_variable_that_is_read_is_documented_and_none_else() -> None:
    document = (ROOT / "docs" / "operators.md").read_text()
    chapter = document.partition("\n## The environment\n")[2].partition("\n## ")[0]
    where = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    where += [line for line in chapter.splitlines() if line.startswith("`compose.yaml` also reads")]
    told = set(re.findall(r"`([A-Z_]+)`", " ".join(where)))
    read = set().union(*(asked_for((ROOT / name).read_text()) for name in ("Procfile", "compose.yaml")))
    for path in (ROOT / "config").glob("*.py"):
        read |= set(re.findall(r"""environ(?:\.get\(|\[)["']([A-Z_]+)["']""", path.read_text()))
    assert told == read - OURS


def _has(program: str) -> bool:
    return any((Path(folder) / program).exists() for folder in os.environ.get("PATH", "").split(os.pathsep))
