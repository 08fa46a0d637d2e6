"""One sender of W11, as a process with one connection: it gets ready, says so, waits for the word, sends, and ends.

python -m bench.posting ours                     the product's path, until nothing is due
python -m bench.posting raw PORT LETTERS NUMBER  smtplib, with ready bytes: pickled (from, to, bytes), in turn
"""

from __future__ import annotations

import os
import pickle
import resource
import smtplib
import sys
from itertools import cycle, islice
from pathlib import Path

import django


def ours() -> None:
    """As the task does it; the clock is read for each lot."""
    django.setup()
    from django.db import connection
    from django.utils import timezone

    from campaigns import sending

    connection.ensure_connection()
    wait_for_the_word()
    while sending.run_once(timezone.now(), owner=f"bench:{os.getpid()}"):
        pass


def raw(port: int, letters: Path, number: int) -> None:
    """So many letters, as fast as smtplib can."""
    ready = pickle.loads(letters.read_bytes())
    wait_for_the_word()
    with smtplib.SMTP("127.0.0.1", port) as client:
        for sender, recipient, message in islice(cycle(ready), number):
            client.sendmail(sender, [recipient], message)


def wait_for_the_word() -> None:
    """What it takes to start is no part of sending."""
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours"]:
            ours()
        case ["raw", port, letters, number]:
            raw(int(port), Path(letters), int(number))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, flush=True)
