"""Tryton's marketing automation does what W9 and W11 have the product do: N people enter, take a step, get a mail.

    /path/to/tryton/bin/python bench/peers/tryton/drive.py --people 20000 --postgres postgresql://postgres@127.0.0.1:5432

It runs in an environment of Tryton's own (see README.md), drives Tryton's models and its worker as its manual says, and
makes and drops a database of its own. One line of JSON for each figure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DATABASE = "bench_tryton"
WORKERS = 2
AT_ONCE = 2000  # parties written in one transaction
PARAGRAPH = """<p style="margin:0 0 16px">Whoever plans a year ahead wants to know what ${record.name} asks for, and why so many
ask for it twice. We looked into it for a month, spoke with those who buy, and wrote down what they told us: it is shorter
than you think, and it has a table. <a href="https://example.com/read/%d">Read the %d. part</a></p>"""
LETTER = (
    '<html xmlns:py="http://genshi.edgewall.org/"><head><style>p { font: 16px/1.5 sans-serif; color: #222 }</style></head>'
    "<body><h1>${record.name}, three things for you</h1>"
    + "".join(PARAGRAPH % (n, n) for n in range(1, 7))
    + '<p>Yours, Ada</p><p><a href="unsubscribe">Unsubscribe</a></p></body></html>'
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--postgres", required=True, help="the server, without a database")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _sink(Path(folder) / "journal") as (port, journal):
        settings = Path(folder) / "trytond.conf"
        settings.write_text(
            f"[database]\nuri = {wanted.postgres}\n[email]\nuri = smtp://127.0.0.1:{port}\nfrom = ada@bench.example\n"
            "[queue]\nworker = True\n[marketing]\nautomation_base = http://localhost\nemail_from = ada@bench.example\n"
            "[session]\n[cryptography]\n"
        )
        with _database(wanted.postgres, settings):
            _Drive(settings, wanted.people, journal).run()


class _Drive:
    """One run: Tryton's pool is bound to the configuration when it is first imported."""

    def __init__(self, settings: Path, people: int, journal: Path) -> None:
        from trytond import config

        config.update_etc(str(settings))
        from trytond.pool import Pool
        from trytond.transaction import Transaction

        self.settings, self.people, self.journal = settings, people, journal
        self.transaction = Transaction
        Pool.start()
        self.pool = Pool(DATABASE)
        self.pool.init()

    def run(self) -> None:
        self._write_people()
        scenario = self._within(self._scenario)
        self._tell("enter", lambda: self._within(lambda: self._model("scenario").trigger(self._these(scenario))))
        self._tell("a step that waits for nothing", self._tick)
        self._tell("a step that sends", lambda: self._tick(mails=self.people))

    def _model(self, name: str) -> Any:
        return self.pool.get(f"marketing.automation.{name}")

    def _these(self, scenario: int) -> list[Any]:
        return self._model("scenario").browse([scenario])

    def _within(self, work: Callable[[], Any]) -> Any:
        with self.transaction().start(DATABASE, 0, context={}):
            return work()

    def _write_people(self) -> None:
        Party = self.pool.get("party.party")
        for start in range(0, self.people, AT_ONCE):
            ids = range(start, min(start + AT_ONCE, self.people))
            told = [
                {
                    "name": f"First{n % 97} Last{n % 991}",
                    "contact_mechanisms": [("create", [{"type": "email", "value": f"p{n}@example.com"}])],
                }
                for n in ids
            ]
            self._within(lambda told=told: Party.create(told))

    def _scenario(self) -> int:
        """A step without an action, and one behind it that sends."""
        [scenario] = self._model("scenario").create(
            [{"name": "Bench", "model": "party.party", "domain": '[["contact_mechanisms", "!=", null]]'}]
        )
        Activity = self._model("activity")
        [first] = Activity.create([{"name": "Nothing", "parent": str(scenario)}])
        Activity.create(
            [
                {
                    "name": "Mail", "parent": str(first), "action": "send_email",
                    "email_title": "${record.name}, three things", "email_template": LETTER,
                }
            ]
        )  # fmt: skip
        self._model("scenario").run([scenario])
        return scenario.id

    def _tick(self, mails: int = 0) -> None:
        """What is due is queued by one look, as by Tryton's clock, and done by its workers.

        A step may be noted as done before its mail has arrived, so the workers go on until all mails are there.
        """
        RecordActivity = self._model("record.activity")
        before = self._done()
        self._within(RecordActivity.process)
        command = [
            Path(sys.executable).with_name("trytond-worker"),
            "-c",
            self.settings,
            "-d",
            DATABASE,
            "-n",
            str(WORKERS),
        ]
        with subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as worker:
            try:
                while self._done() < before + self.people or self._arrived() < mails:
                    assert worker.poll() is None, "the worker has ended"
                    time.sleep(0.2)
            finally:
                os.killpg(worker.pid, signal.SIGTERM)  # it leaves its own processes behind otherwise

    def _done(self) -> int:
        return self._within(lambda: self._model("record.activity").search([("state", "=", "done")], count=True))

    def _arrived(self) -> int:
        return len(self.journal.read_text().splitlines())

    def _tell(self, what: str, work: Callable[[], Any]) -> None:
        begun = time.perf_counter()
        work()
        took = time.perf_counter() - begun
        figure = {
            "peer": "tryton",
            "case": what,
            "people": self.people,
            "s": round(took, 1),
            "per_s": round(self.people / took),
        }
        print(json.dumps(figure), flush=True)


@contextmanager
def _database(server: str, settings: Path) -> Iterator[None]:
    import psycopg

    def say(statement: str) -> None:
        connection = psycopg.connect(f"{server}/postgres", autocommit=True)
        connection.cursor().execute(statement)
        connection.close()

    say(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    say(f"CREATE DATABASE {DATABASE}")
    try:
        secret = settings.with_name("password")
        secret.write_text("bench-password-of-nobody\n")
        subprocess.run(
            [
                str(Path(sys.executable).with_name("trytond-admin")), "-c", str(settings), "-d", DATABASE,
                "-u", "marketing_automation", "--activate-dependencies", "-p", "--email", "ada@bench.example",
            ],
            check=True, env=os.environ | {"TRYTONPASSFILE": str(secret)}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        yield
    finally:
        say(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


@contextmanager
def _sink(journal: Path) -> Iterator[tuple[int, Path]]:
    """The mail server that W11 sends to; it needs nothing but Python."""
    command = [sys.executable, "-m", "faults.sink", "--journal", str(journal)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline().rpartition(":")[2]), journal
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
