"""Which tables of lifecycles hold a subject, and what erasure empties in them; the models themselves stay."""

from kit import registry
from lifecycle import models
from lifecycle.ledger import importing

OF_HANDOFF = """SELECT t.id, m.subject_id FROM lifecycle_handoffevent t JOIN lifecycle_handoff h ON h.id = t.handoff_id
    JOIN lifecycle_membership m ON m.id = h.membership_id"""
OF_MEMBERSHIP = "SELECT t.id, m.subject_id FROM {} t JOIN lifecycle_membership m ON m.id = t.membership_id"
# A reason that others were moved for too is a category, which figures count by, and no remark about somebody.
STEPS_OF = "SELECT id, account_id AS subject_id FROM lifecycle_checklistitem"
SHARED = """held.kind = 'erasure' OR held.transition_id IS NOT NULL OR EXISTS (
    SELECT FROM lifecycle_movement other
    WHERE other.reason = held.reason AND other.membership_id <> held.membership_id)"""


def register_all() -> None:
    """Make every table of this floor that speaks of a subject known to merge, export and erasure."""
    registry.holder(models.Membership, "memberships", follows=importing.FOLLOWS, merge=registry.JOINED)
    registry.holder(
        models.Movement,
        "movements",
        personal=("reason",),
        whose=OF_MEMBERSHIP.format("lifecycle_movement"),
        stays=SHARED,
    )
    registry.holder(
        models.BulkMember, "moves of many", personal=("why",), whose=OF_MEMBERSHIP.format("lifecycle_bulkmember")
    )
    # Whoever asked; which account became a partner is no word about a person.
    registry.holder(
        models.Application,
        "partner applications",
        personal=("reason",),
        whose="SELECT id, person_id AS subject_id FROM lifecycle_application",
    )
    same_step = "theirs.step_id = ours.step_id"
    registry.holder(models.ChecklistItem, "steps of partners", whose=STEPS_OF, same=same_step)
    registry.holder(models.Reached, "backtests", goes=True, follows="true", merge=registry.ASIDE)
    registry.holder(models.Moved, "moves beside backtests", goes=True, follows="true", merge=registry.ASIDE)
    registry.holder(models.Proposal, "starting points", goes=True, follows="true", merge=registry.ASIDE)
    registry.holder(
        models.Handoff,
        "hand-offs to sales",
        personal=("reason", "words"),
        whose=OF_MEMBERSHIP.format("lifecycle_handoff"),
        follows="h.answered_by_id IS NULL",
    )
    registry.holder(models.HandoffEvent, "what happened to hand-offs", whose=OF_HANDOFF, follows="true")
    registry.holder(
        models.MissedLimit, "limits missed", whose=OF_MEMBERSHIP.format("lifecycle_missedlimit"), follows="true"
    )
    registry.holder(
        models.Waiting,
        "delays that are running",
        whose=OF_MEMBERSHIP.format("lifecycle_waiting"),
        goes=True,
        silent="worked out from what the other tables say",
        follows="true",
    )
    registry.spare(
        models.Lifecycle, models.Version, models.Stage, models.Transition, models.StoppedRule, models.CardAmendment,
        models.Programme, models.ProgrammeStep, models.RoutingRule, models.Backtest, models.PlacementRound,
        models.UsualStay,
    )  # fmt: skip
