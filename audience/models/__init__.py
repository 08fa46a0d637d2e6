"""The tables of the ground floor."""

from audience.models.activities import Activity, ActivityKind, Channel, Retraction
from audience.models.commerce import (
    Case,
    Contract,
    ContractAmendment,
    ContractChange,
    Cost,
    Deal,
    DealChange,
    DealLine,
    DealRole,
    DealStageChange,
    ExchangeRate,
    Pipeline,
    PipelineStage,
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
    WaitingActivity,
)
from audience.models.imports import Import, ImportSchedule, ImportTrace, ImportTurn, Reject, SavedMapping, TakenFile
from audience.models.merging import Duplicate, Merge, MergedRows, PhoneNumber
from audience.models.people import Account, AccountRole, Identity, Person
from audience.models.readiness import Completeness
from audience.models.segments import Dirty, Segment, SegmentMember
from audience.models.tags import Tag, Tagged
from audience.models.titles import TitleRules

__all__ = [
    "Account",
    "AccountRole",
    "Activity",
    "ActivityKind",
    "Case",
    "Channel",
    "Completeness",
    "ConsentRecord",
    "Contract",
    "ContractAmendment",
    "ContractChange",
    "Cost",
    "Deal",
    "DealChange",
    "DealLine",
    "DealRole",
    "DealStageChange",
    "Dirty",
    "Duplicate",
    "ExchangeRate",
    "Field",
    "FieldChange",
    "Form",
    "FormDay",
    "FormEdition",
    "FormFile",
    "Identity",
    "Import",
    "ImportSchedule",
    "ImportTrace",
    "ImportTurn",
    "Merge",
    "MergedRows",
    "PageView",
    "Pause",
    "Person",
    "PhoneNumber",
    "Pipeline",
    "PipelineStage",
    "Product",
    "Purchase",
    "RefusedSubmission",
    "Reject",
    "Retraction",
    "SavedMapping",
    "Segment",
    "SegmentMember",
    "Submission",
    "Suppression",
    "Tag",
    "Tagged",
    "TakenFile",
    "TitleRules",
    "Topic",
    "Visitor",
    "WaitingActivity",
]
