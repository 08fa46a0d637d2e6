"""The kinds of activities that tell of partners, and the rows of them as reports and pages read them."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from audience.activity import activities, kinds
from audience.models import Activity
from kit.sql import Sql, sql

SOURCE = "partners"
APPLIED = "partner_application"
APPROVED = "application_approved"
DECLINED = "application_declined"
CERTIFIED = "partner_certified"
REGISTERED = "deal_registered"
JOINT_CALL = "joint_call"
CHANNEL = "partner"


def ensure_defaults(now: datetime) -> None:
    """What these kinds are called. Safe to repeat."""
    inbound, outbound = Activity.Direction.INBOUND.value, Activity.Direction.OUTBOUND.value
    for slug, label, direction in (
        (APPLIED, _("Partner application"), inbound),
        (APPROVED, _("Application approved"), outbound),
        (DECLINED, _("Application declined"), outbound),
        (CERTIFIED, _("Partner certified"), inbound),
        (REGISTERED, _("Deal registered"), inbound),
        (JOINT_CALL, _("Joint call"), outbound),
    ):
        is_theirs = direction == inbound
        kinds.ensure(
            slug, label, channel=CHANNEL, direction=direction, is_response=is_theirs, is_engagement=is_theirs, now=now
        )


def told(kind: str, accounts: Sql) -> Sql:
    """The activities of a kind that stand now, of some accounts: id, account_id, occurred_at, properties."""
    return sql(
        """SELECT x.id, x.account_id, x.occurred_at, x.properties FROM audience_activity x
           WHERE x.kind_id = (SELECT k.id FROM audience_activitykind k WHERE k.slug = {}) AND x.account_id IS NOT NULL
             AND x.reversal_of_id IS NULL AND NOT {} AND x.account_id IN ({})""",
        kind,
        activities.is_reversed("x"),
        accounts,
    )


def of_deals() -> Sql:
    """What partners did about deals, as it stands now: deal_id, account_id, kind, occurred_at.

    An activity of an account is about a deal when it names it: `deal` in its properties is the deal's external id.
    """
    return sql(
        """SELECT deal.id AS deal_id, x.account_id, k.slug AS kind, x.occurred_at
           FROM audience_activity x
           JOIN audience_activitykind k ON k.id = x.kind_id
           JOIN audience_deal deal ON deal.external_id = x.properties ->> 'deal'
           WHERE x.account_id IN ({}) AND x.properties ? 'deal' AND x.reversal_of_id IS NULL AND NOT {}""",
        accounts(),
        activities.is_reversed("x"),
    )


def accounts() -> Sql:
    """The accounts that are partners: in a lifecycle of that species now or once, or named by a deal as its partner."""
    return Sql(
        """SELECT held.account_id FROM lifecycle_membership held
           JOIN lifecycle_lifecycle c ON c.id = held.lifecycle_id AND c.species = 'partner'
           WHERE held.account_id IS NOT NULL
           UNION SELECT deal.partner_id FROM audience_deal deal WHERE deal.partner_id IS NOT NULL"""
    )
