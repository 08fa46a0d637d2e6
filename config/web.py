"""How gunicorn serves, on a server and in the demo alike: `python -m gunicorn --config python:config.web`."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from logging.config import dictConfig
from typing import Any

from gunicorn.glogging import Logger

from config import settings

logging.captureWarnings(True)
dictConfig(settings.LOGGING)  # before the application is loaded, which is when Django does the same
# The processes count requests in files that all of them read, so that whichever is scraped answers for all. They are
# of this server's life alone: counters begin anew with it, as Prometheus expects. Named before the client library is
# imported, which decides then how it counts.
counted = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="perennial-counted-")


class Lines(Logger):
    """What the server itself has to say goes where all lines go. Requests have lines of our own (`kit/requests.py`)."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers = []
        self.error_log.propagate = True


wsgi_app = "config.wsgi"
preload_app = True
workers = int(os.environ.get("WEB_WORKERS") or 4)
threads = 4
timeout = 120
bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
accesslog = None
logger_class = Lines


def on_exit(_server: Any) -> None:
    """The files go with the server."""
    shutil.rmtree(counted, ignore_errors=True)
