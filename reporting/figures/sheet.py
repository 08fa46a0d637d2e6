"""What a report's page is made of: a line of large figures, remarks, and sections with a table each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reporting import metrics
from reporting.figures import Figure, Table
from reporting.metrics import CampaignMetric, CustomerMetric, DealMetric, Metric

Remark = tuple[Figure, str]


@dataclass(frozen=True)
class Section:
    """A part of the page: a title, what it shows, its table, or why there is none."""

    id: str
    title: str
    purpose: str
    table: Table | None = None
    empty: str = ""
    template: str = ""  # what it draws besides a table
    drawn: Any = None
    flush: bool = False  # what it draws goes to the edges of its card, as a table does


@dataclass(frozen=True)
class Choice:
    """One choice of a report's form: its name in the address, its label, and what there is: value and words."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]
    chosen: str


@dataclass(frozen=True)
class Sheet:
    """All that one report shows."""

    headline: Sequence[tuple[str, Figure]]
    sections: Sequence[Section]
    remarks: Sequence[Remark] = ()
    metrics: Sequence[str] = ()
    empty_title: str = ""  # set where there is nothing to show
    empty_text: str = ""
    footnotes: Sequence[str] = field(default_factory=tuple)

    @property
    def formulas(self) -> list[Metric | CustomerMetric | CampaignMetric | DealMetric]:
        """The metrics whose definitions the page prints."""
        return [metrics.find(name) for name in self.metrics]
