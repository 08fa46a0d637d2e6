"""The embedded broker: kombu's folder of files, with what it lacks for several processes.

It shows a message under its name before the bytes are in it, and keeps one table of bindings for all, so that another
process may read half of either. Here a message appears complete or not at all, and each process has its own table.
It still drops a message the moment a worker fetches it: good enough for hints, and for nothing else.
"""

import os
import shutil
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads


def empty(folder: Path) -> None:
    """Drop every message, as no worker runs: what they hinted at is in the rows."""
    shutil.rmtree(folder, ignore_errors=True)


class Channel(filesystem.Channel):
    """Messages as files in `<folder>/messages`, claimed by renaming them into `<folder>/taken`."""

    @property
    def data_folder_in(self) -> str:
        return str(self._place("messages"))

    data_folder_out = data_folder_in

    @property
    def control_folder(self) -> Path:
        return self._place(f"bindings-{os.getpid()}")

    def _place(self, name: str) -> Path:
        path = Path(self.transport_options["folder"]) / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]  # kombu's own two differ
        name = f"{time.time_ns()}_{uuid.uuid4().hex}.{queue}.msg"
        draft = self._place("drafts") / name
        draft.write_text(dumps(payload))
        draft.rename(self._place("messages") / name)

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        messages, taken = self._place("messages"), self._place("taken")
        for name in sorted(os.listdir(messages)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            try:
                claimed = (messages / name).rename(taken / name)
            except FileNotFoundError:
                continue  # another worker was quicker
            payload = claimed.read_text()
            claimed.unlink()
            return loads(payload)
        raise Empty


class Transport(filesystem.Transport):
    """kombu's transport with the channel above."""

    Channel = Channel
