"""The tables of lifecycles: the model of stages, and the ledger."""

from lifecycle.models.bulk import BulkMember, BulkMove
from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version
from lifecycle.models.usual import UsualStay

__all__ = [
    "BulkMember", "BulkMove", "Lifecycle", "Membership", "Movement", "Stage", "Transition", "UsualStay", "Version",
]  # fmt: skip
