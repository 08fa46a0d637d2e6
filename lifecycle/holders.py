"""Which tables of lifecycles hold a subject, and what erasure empties in them; the models themselves stay."""

from kit import registry
from lifecycle import importing, models

OF_MEMBERSHIP = "SELECT t.id, m.subject_id FROM {} t JOIN lifecycle_membership m ON m.id = t.membership_id"
# A reason that others were moved for too is a category, which figures count by, and no remark about somebody.
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
    registry.spare(models.Lifecycle, models.Version, models.Stage, models.Transition, models.UsualStay)
