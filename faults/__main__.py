"""Kills and restarts everything at random while campaigns send, then holds what was received against the database.

    bin/faults [--minutes N] [--seed S] [--faults SPEC] [--data DIR] [--json]

It makes its own database (on a server of its own, or on that of DATABASE_URL), broker, workers, clocks and a mail server
that fails on purpose. A campaign after another is launched, most into that mail server, the last into the built-in
mailbox, while a nemesis of the given seed breaks things. When the time is over everything may finish, and a checker
compares. The last line tells, as JSON, what was counted in journal and database:

    messages    rows of messages
    kills       processes and database sessions that were ended without a word
    duplicates  messages that went out twice
    lost        messages noted as sent that nobody received, or received and noted otherwise, or never written
    open        messages and enrollments that did not come to an end
    unknown     messages of which nobody knows whether they were sent: allowed, visible, never resent by themselves

It ends with 0 only if duplicates, lost and open are 0 and all steps and sums are in order.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import checker, hasty, sink
from faults.nemesis import Nemesis
from faults.processes import Product, product

SPEC = "all:0.03"
MAILBOX = 0.3  # of the time, at the end
SETTLING = 0.5  # seconds between two looks
PATIENCE = 240.0  # seconds that everything may take to finish


@dataclass(frozen=True)
class Asked:
    """What a run is to be."""

    seconds: float
    seed: int
    spec: str
    folder: Path
    people: int
    say: Callable[[str], None]


def main() -> int:
    options = argparse.ArgumentParser(
        prog="bin/faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=5.0, metavar="N", help="how long things break (default: 5)")
    options.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed breaks the same (default: 1)")
    options.add_argument("--faults", default=SPEC, metavar="SPEC", help=f"of the mail server (default: {SPEC})")
    options.add_argument("--people", type=int, default=400, metavar="N", help="readers of each campaign (default: 400)")
    options.add_argument("--data", type=Path, metavar="DIR", help="folder for database and logs, which stays")
    options.add_argument("--json", action="store_true", help="print nothing but the last line")
    given = options.parse_args()
    try:
        sink.Faults.parse(given.faults)
    except ValueError as wrong:
        options.error(str(wrong))
    folder = (given.data or Path(tempfile.mkdtemp(prefix="perennial-faults-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # the database's own account must pass
    say = (lambda text: None) if given.json else _say
    figures, kept = run(Asked(given.minutes * 60, given.seed, given.faults, folder, given.people, say))
    if kept and not given.data:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _say(f"Logs and database stay in {folder}", to=sys.stderr)
    print(json.dumps(figures), flush=True)
    return 0 if kept else 1


def run(asked: Asked) -> tuple[dict[str, int], bool]:
    """Break things for so long, let everything finish, compare: the figures, and whether the promise was kept."""
    with product(asked.folder, spec=asked.spec, seed=asked.seed) as running:
        world = _world(running, asked)
        nemesis = Nemesis(running, asked.seed, hasty.LONGEST)
        for part in running.parts.values():
            part.start()
        _break(running, nemesis, world, asked)
        _settle(running, nemesis, world, asked)
        with closing(running.database.connect()) as connection:
            report = checker.check(connection, sink.read(running.journal))
    _tell(report, nemesis, asked.say)
    figures = report.figures()
    kept = ("messages", "duplicates", "lost", "open", "unknown")
    counted = {name: figures[name] for name in kept} | {"kills": nemesis.kills, "seed": asked.seed}
    order = ("messages", "kills", "duplicates", "lost", "open", "unknown", "seed")
    return {name: counted[name] for name in order}, report.kept


def _world(running: Product, asked: Asked) -> Any:
    """People, consent, content and campaigns to launch, in the new database."""
    os.environ |= {
        "DATABASE_URL": running.database.url,
        "REDIS_URL": running.broker.url,
        "PERENNIAL_DATA": str(running.folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    import django

    django.setup()
    logging.getLogger().setLevel(logging.ERROR)  # hints that find no broker are no news here
    from faults import world

    asked.say("making people, consent and content …")
    return world.World.make(people=asked.people, smtp_port=running.sink_port)


def _break(running: Product, nemesis: Nemesis, world: Any, asked: Asked) -> None:
    begun = time.monotonic()
    end, turn = begun + asked.seconds, begun + asked.seconds * (1 - MAILBOX)
    asked.say(f"breaking things for {asked.seconds:.0f} s with seed {asked.seed} …")
    while (now := time.monotonic()) < end:
        if now >= turn:
            world.into_the_mailbox()
            turn = end + 1
        world.feed()
        if what := nemesis.act():
            asked.say(f"{now - begun:6.1f} s  {what}")
        pause = time.monotonic() + nemesis.pause()
        while time.monotonic() < pause:
            nemesis.wake()
            running.watch(pause=nemesis.dice.uniform(0.1, 1.0))
            time.sleep(0.1)


def _settle(running: Product, nemesis: Nemesis, world: Any, asked: Asked) -> None:
    """Nothing breaks any more, and all that is under way comes to its end, or does not."""
    nemesis.wake(everybody=True)
    running.set_faults("", asked.seed)
    asked.say("letting everything finish …")
    deadline = time.monotonic() + PATIENCE
    while world.open() and time.monotonic() < deadline:
        running.watch()
        time.sleep(SETTLING)


def _tell(report: checker.Report, nemesis: Nemesis, say: Callable[[str], None]) -> None:
    for what, number in nemesis.done.most_common():
        say(f"{number:5}  {what}")
    say(f"messages: {', '.join(f'{number} {state}' for state, number in report.states.items())}")
    say(f"received: {report.received}")
    for found in (report.duplicates, report.lost, report.open, report.disorder):
        for each in found[: checker.TOLD]:
            _say(f"  {each}", to=sys.stderr)
        if len(found) > checker.TOLD:
            _say(f"  … and {len(found) - checker.TOLD} more", to=sys.stderr)


def _say(text: str, to: Any = None) -> None:
    print(text, file=to or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
