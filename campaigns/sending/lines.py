"""A line in the log for each request that messages go back to, when a worker is done with them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence

from kit import origin
from kit.sql import rows, sql

logger = logging.getLogger(__name__)


def tell(ids: Sequence[uuid.UUID]) -> None:
    """What became of messages whose sending somebody asked for: a test, one sent again, people put in by hand.

    Messages that no request caused are told by their rows alone.
    """
    found = rows(
        sql(
            """
            SELECT coalesce(nullif(m.request_id, ''), e.request_id) AS request, m.purpose, c.slug, m.state,
                   array_agg(m.id::text ORDER BY m.id)
            FROM campaigns_message m
            LEFT JOIN campaigns_enrollment e ON e.id = m.enrollment_id
            LEFT JOIN campaigns_campaign c ON c.id = m.campaign_id
            WHERE m.id = ANY ({}::uuid[]) AND coalesce(nullif(m.request_id, ''), e.request_id, '') <> ''
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            """,
            [str(each) for each in ids],
        )
    )
    for request, purpose, campaign, state, messages in found:
        with origin.following(request):
            what = f"campaign {campaign}" if campaign else purpose
            told = {"state": state, "purpose": purpose, "campaign": campaign, "messages": messages}
            logger.info("mail: %s of %s now %s", len(messages), what, state, extra=told)
