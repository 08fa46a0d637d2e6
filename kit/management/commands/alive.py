"""Whether a worker of this machine lives, by the signs that it gives; for the health checks of containers."""

import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from kit import heartbeats


class Command(BaseCommand):
    help = "Exit code 0 when the worker (or beat) of this name on this machine was heard of lately, 1 when not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("worker", help="its name before the @: worker, jobs, mail, beat")

    def handle(self, *args: Any, worker: str, **options: Any) -> None:
        name = f"{worker}@{socket.gethostname()}"
        lives = heartbeats.alive().filter(worker=name).exists()
        self.stdout.write(f"{name} {'lives' if lives else 'was not heard of'}")
        if not lives:
            sys.exit(1)
