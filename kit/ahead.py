"""Making the next thing while the one at hand is worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

Thing = TypeVar("Thing")


def ahead(found: Iterator[Thing]) -> Iterator[Thing]:
    """The same things, each made by a thread with a database session of its own while its forerunner is worked on.

    Within a transaction, of which another session would see nothing, they are made one after the other.
    """
    if connection.in_atomic_block:
        yield from found
        return
    with ThreadPoolExecutor(1) as maker:
        try:
            coming = maker.submit(next, found, None)
            while (thing := coming.result()) is not None:
                coming = maker.submit(next, found, None)
                yield thing
        finally:
            maker.submit(lambda: connection.close())  # the thread's, which is found when it runs there
