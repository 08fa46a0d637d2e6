"""One person, not two: subjects that are one and the same are compared, made one, and parted again.

Read first `merges` (the verbs, and what is promised), then `choosing` (whose value survives) and `rows` (whose rows
are whose). Who may be one and the same is found by `audience.merging.duplicates`.
"""

from audience.merging.choosing import Choice
from audience.merging.merges import (
    Comparison,
    Refused,
    absorbed,
    changed_since,
    compare,
    goes_since,
    look_again,
    merge,
    merged,
    of_subject,
    part,
    part_refusal,
    refusal,
    since,
    whither,
)
from audience.merging.rows import changed, note_changed, renumber

__all__ = [
    "Choice", "Comparison", "Refused", "absorbed", "changed", "changed_since", "compare", "goes_since", "look_again",
    "merge",
    "merged", "note_changed", "of_subject", "part", "part_refusal", "refusal", "renumber", "since", "whither",
]  # fmt: skip
