"""Which tables of this floor hold a subject or personal text, and which columns erasure empties."""

from audience import models
from kit import registry


def register_all() -> None:
    """Make every table of this floor that speaks of a subject known to merge, export and erasure."""
    registry.holder(models.Identity, "identities", personal=("external_id",))
    registry.holder(models.AccountRole, "roles")
    registry.holder(models.FieldChange, "field changes", personal=("old",))
    registry.holder(models.Activity, "activities", personal=("properties",))
    registry.holder(models.DealRole, "deal roles")
    registry.holder(models.Deal, "deals", personal=("properties",))
    registry.holder(models.Purchase, "purchases", personal=("properties",))
    registry.holder(models.Contract, "contracts", personal=("name", "properties"))
    registry.holder(models.Case, "cases", personal=("title", "properties"))
    registry.holder(models.ConsentRecord, "consents", personal=("wording",))
    registry.holder(models.Pause, "pauses")
    registry.holder(models.SegmentMember, "segments")
    registry.holder(models.Dirty, "changes to look at")
    registry.holder(models.Reject, "refused rows of imports", personal=("raw",))
    registry.holder(models.Tagged, "tags")
