"""The tables of the ground floor."""

from audience.models.activities import Activity, ActivityKind
from audience.models.commerce import (
    Case,
    Contract,
    ContractAmendment,
    Cost,
    Deal,
    DealRole,
    DealStageChange,
    Product,
    Purchase,
)
from audience.models.consent import ConsentRecord, Pause, Suppression, Topic
from audience.models.fields import Field, FieldChange
from audience.models.forms import (
    Form,
    FormDay,
    FormEdition,
    FormFile,
    PageView,
    RefusedSubmission,
    Submission,
    Visitor,
)
from audience.models.imports import Import, ImportTrace, Reject
from audience.models.people import Account, AccountRole, Identity, Person
from audience.models.segments import Dirty, Segment, SegmentMember
from audience.models.tags import Tag, Tagged

__all__ = [
    "Account",
    "AccountRole",
    "Activity",
    "ActivityKind",
    "Case",
    "ConsentRecord",
    "Contract",
    "ContractAmendment",
    "Cost",
    "Deal",
    "DealRole",
    "DealStageChange",
    "Dirty",
    "Field",
    "FieldChange",
    "Form",
    "FormDay",
    "FormEdition",
    "FormFile",
    "Identity",
    "Import",
    "ImportTrace",
    "PageView",
    "Pause",
    "Person",
    "Product",
    "Purchase",
    "RefusedSubmission",
    "Reject",
    "Segment",
    "SegmentMember",
    "Submission",
    "Suppression",
    "Tag",
    "Tagged",
    "Topic",
    "Visitor",
]
