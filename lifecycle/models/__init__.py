"""The tables of lifecycles: the model of stages, and the ledger."""

from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.partners import Application, ChecklistItem, Programme, ProgrammeStep
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = [
    "Application", "BulkMember", "BulkMove", "ChecklistItem", "Lifecycle", "Membership", "Movement", "Programme",
    "ProgrammeStep", "Stage", "Transition", "Version",
]  # fmt: skip
