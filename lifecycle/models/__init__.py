"""The tables of lifecycles: the model of stages, and the ledger."""

from lifecycle.models.ledger import Membership, Movement
from lifecycle.models.plan import Lifecycle, Stage, Transition, Version

__all__ = ["Lifecycle", "Membership", "Movement", "Stage", "Transition", "Version"]
