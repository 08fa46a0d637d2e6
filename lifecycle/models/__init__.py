"""The tables of lifecycles: the model of stages, the ledger, and what was tried on the past."""

from lifecycle.models.backtest import Backtest, Reached
from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.handoff import Handoff, HandoffEvent, RoutingRule
from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.partners import Application, ChecklistItem, Programme, ProgrammeStep
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = [
    "Application", "BulkMember", "BulkMove", "ChecklistItem", "Lifecycle", "Membership", "Movement", "Programme",
    "ProgrammeStep", "Stage", "Transition", "Version",
]  # fmt: skip
from lifecycle.models.placing import PlacementRound, Proposal
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = [
    "Backtest",
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
    "PlacementRound",
    "Proposal",
    "Reached",
    "Stage",
    "Transition",
    "Version",
]
    "BulkMember", "BulkMove", "Handoff", "HandoffEvent", "Lifecycle", "Membership", "Movement", "RoutingRule", "Stage",
    "Transition", "Version",
]  # fmt: skip
    "Stage",
    "StoppedRule",
    "Transition",
    "Version",
    "Waiting",
]
