"""The Celery application, configured from Django's settings."""

import logging
import os
from logging.config import dictConfig
from typing import Any

from celery import Celery, signals
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("perennial")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def _lines_are_ours(**_: Any) -> None:
    """Workers and the clock log as the web does; Celery's own format and level stay out of it."""
    dictConfig(settings.LOGGING)
    logging.captureWarnings(True)
