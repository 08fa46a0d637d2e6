"""The tables of lifecycles: the model of stages, and the ledger."""

from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.cards import CardAmendment
from lifecycle.models.ledger import Membership, Movement, Waiting
from lifecycle.models.plan import Lifecycle, Stage, StoppedRule, Transition, Version

__all__ = [
    "BulkMember",
    "BulkMove",
    "CardAmendment",
    "Lifecycle",
    "Membership",
    "Movement",
    "Stage",
    "StoppedRule",
    "Transition",
    "Version",
    "Waiting",
]
