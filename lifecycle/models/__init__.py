"""The tables of lifecycles: the model of stages, and the ledger."""

from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.handoff import Handoff, HandoffEvent, RoutingRule
from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = [
    "BulkMember", "BulkMove", "Handoff", "HandoffEvent", "Lifecycle", "Membership", "Movement", "RoutingRule", "Stage",
    "Transition", "Version",
]  # fmt: skip
