"""The tables of lifecycles: the model of stages, the ledger, and what was tried on the past."""

from lifecycle.models.backtest import Backtest, Reached
from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.placing import PlacementRound, Proposal
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = [
    "Backtest",
    "BulkMember",
    "BulkMove",
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
