"""Whether all of it works, on this machine, now: the product on a temporary folder, a user's walk through it, the end.

    bin/demo --smoke

Starts what `bin/demo --empty` starts, on a folder and a port of its own, and reads address and login off what it
prints, as anybody would. The walk is a process of its own (`walk.py`). Whatever happens, everything is stopped and the
folder is gone. The last line on stdout is one JSON object; exit code 0 only if all of it held.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

here = Path(__file__).resolve().parent
# Nothing else of the caller's environment: a DATABASE_URL of real data, above all, is not for us to write into.
KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")
START_SECONDS = 600.0  # a first start takes twenty; a busy machine many times that
STOP_SECONDS = 120.0
LOG_LINES = 40  # of each process, told when something did not hold


class Interrupted(Exception):
    """Somebody wants it to end."""


class Broken(Exception):
    """It could not be tried; the message says why."""


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    begun = time.monotonic()
    told: dict[str, Any] = {"ok": False}
    failed: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="perennial-smoke-"))
    folder.chmod(0o711)  # the account that the database runs as may pass through
    log = folder / "said"
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        supervisor = _start(folder / "data", log)
        address, user = _announced(supervisor, log)
        started = time.monotonic() - begun
        say(f"  {started:5.1f} s  started on {address}")
        told = _walk(address, user, folder / "data" / "demo-password")
        told["seconds"] = {"start": round(started, 1), **told.get("seconds", {})}
    except Interrupted:
        failed.append("It was interrupted.")
    except Broken as reason:
        failed.append(str(reason))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # from here on it only ends
        if failed or not told["ok"]:
            _tell_logs(folder, log)
        failed += _stop(supervisor, folder, log)
    failed = told.pop("failed", []) + failed
    told["ok"] = bool(told["ok"]) and not failed
    told["seconds"] = {**told.get("seconds", {}), "all": round(time.monotonic() - begun, 1)}
    print(json.dumps(told | ({"failed": failed} if failed else {}), ensure_ascii=False), flush=True)
    return 0 if told["ok"] else 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _start(data: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    command = [
        sys.executable,
        "-P",
        "-m",
        "config.supervisor",
        "--data",
        str(data),
        "--port",
        str(_free_port()),
        "--empty",
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=here.parent, env=environment | {"PYTHONPATH": str(here.parent), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _announced(supervisor: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    """Address and user, once it has told them."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        said = log.read_text()
        found = re.search(r"runs at (http://\S+)\s+sign in as (\S+)", said)
        if found:
            return found[1], found[2]
        if supervisor.poll() is not None:
            raise Broken(f"It did not start, and said: {said.strip()[-2000:]}")
        if time.monotonic() > deadline:
            raise Broken(f"After {START_SECONDS:.0f} seconds it has not started, and said: {said.strip()[-2000:]}")
        time.sleep(0.1)


def _walk(address: str, user: str, password: Path) -> dict[str, Any]:
    command = [sys.executable, "-E", "-s", "-S", str(here / "walk.py"), address, user, str(password)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as walk:
        try:
            output, _ = walk.communicate()
        except Interrupted:
            walk.kill()
            raise
    try:
        return json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise Broken(f"The walk ended with exit code {walk.returncode} and told no figures.") from None


def _tell_logs(folder: Path, log: Path) -> None:
    """What its processes wrote last, for the folder goes and their logs with it."""
    for written in (log, *sorted(folder.glob("data/log/*.log"))):
        if lines := written.read_text(errors="replace").splitlines()[-LOG_LINES:] if written.exists() else []:
            say(f"\n--- {written.name}")
            say("\n".join(lines))


def _stop(supervisor: subprocess.Popen[bytes] | None, folder: Path, log: Path) -> list[str]:
    """Stop everything and remove the folder; what of that did not succeed."""
    failed = []
    if supervisor and supervisor.poll() is None:
        supervisor.terminate()
        try:
            supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            failed.append(f"It did not stop within {STOP_SECONDS:.0f} seconds.")
    if supervisor and supervisor.returncode:
        failed.append(f"It ended with exit code {supervisor.returncode}, and said: {log.read_text().strip()[-2000:]}")
    if left := _left_behind(folder):
        failed.append(f"Processes were left, and are ended: {', '.join(left.values())}")
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        failed.append(f"{folder} could not be removed.")
    return failed


def _left_behind(folder: Path) -> dict[int, str]:
    """The processes that have to do with this folder, where the system tells (Linux)."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if str(folder).encode() in told:
                found[int(process.name)] = f"{process.name} ({(process / 'comm').read_text().strip()})"
        except OSError:
            continue
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
