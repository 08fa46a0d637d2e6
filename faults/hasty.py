"""Runs Celery with the product's own leases and pauses cut short, so that minutes hold what otherwise takes hours.

python -m faults.hasty ARGUMENTS OF CELERY
"""

from __future__ import annotations

import os
from datetime import timedelta

import django

LEASE = 6.0  # seconds that a claim lasts unless it is renewed
RENEW_EVERY = 2.0
PATIENCE = 1.0  # seconds for each answer of a mail server
BATCH = 4.0  # seconds after which a batch is given up
LONGEST = BATCH + 7 * PATIENCE  # seconds that a message may be in the air, whatever the other side does


def hurry() -> None:
    """Shorten what workers of this process wait for; the proportions stay."""
    from campaigns import channels, sending
    from campaigns.channels import smtp
    from campaigns.sending import claiming, outcomes
    from kit import leases, ticks

    leases.RENEW_EVERY = RENEW_EVERY
    ticks.LEASE = claiming.LEASE = timedelta(seconds=LEASE)
    claiming.PAUSE = outcomes.FIRST_RETRY = timedelta(seconds=1)
    outcomes.FIRST_PAUSE = timedelta(seconds=2)
    outcomes.LAST_RETRY = sending.TRIAL = timedelta(seconds=3)
    smtp.PATIENCE = dict.fromkeys(smtp.PATIENCE, PATIENCE)
    smtp.WRITING, smtp.BUDGET = PATIENCE, BATCH
    for kind in channels.kinds().values():
        kind.longest = timedelta(seconds=LONGEST)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    hurry()
    from celery.__main__ import main as celery

    celery()


if __name__ == "__main__":
    main()
