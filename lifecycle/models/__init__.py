"""The tables of lifecycles: the model of stages, the ledger, what was tried on the past, hand-offs and partners."""

from lifecycle.models.backtest import Backtest, Moved, Reached
from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.cards import CardAmendment
from lifecycle.models.handoff import Handoff, HandoffEvent, RoutingRule
from lifecycle.models.ledger import Membership, Movement, Waiting
from lifecycle.models.missed import MissedLimit
from lifecycle.models.partners import Application, ChecklistItem, Programme, ProgrammeStep
from lifecycle.models.placing import PlacementRound, Proposal
from lifecycle.models.plan import Lifecycle, Stage, StoppedRule, Transition, Version
from lifecycle.models.usual import UsualStay

__all__ = [
    "Application",
    "Backtest",
    "BulkMember",
    "BulkMove",
    "CardAmendment",
    "ChecklistItem",
    "Handoff",
    "HandoffEvent",
    "Lifecycle",
    "Membership",
    "MissedLimit",
    "Moved",
    "Movement",
    "PlacementRound",
    "Programme",
    "ProgrammeStep",
    "Proposal",
    "Reached",
    "RoutingRule",
    "Stage",
    "StoppedRule",
    "Transition",
    "UsualStay",
    "Version",
    "Waiting",
]
