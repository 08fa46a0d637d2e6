"""The funnel and the other reports of one lifecycle, as their pages tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit import past
from kit.api import etags
from kit.api.problems import Problem
from kit.api.serializers import Instant
from lifecycle.models import Lifecycle
from reporting import addresses, costs, freshness, handoffs, known, leaks, loops, notes, pace, plans, windows
from reporting import funnel as funnels
from reporting.api.figures import (
    COUNT,
    DEFINITIONS,
    SHARE,
    FigureRow,
    LabelledRow,
    RemarkRow,
    Report,
    SheetRow,
    definitions,
    labelled,
    remarked,
)
from reporting.figures import costs as cost_figures
from reporting.figures import counted
from reporting.figures import funnel as figures
from reporting.figures import handoffs as handoff_figures
from reporting.figures import leaks as leak_figures
from reporting.figures import loops as loop_figures
from reporting.figures import pace as pace_figures
from reporting.metrics import recorded_late
from reporting.plans import Plan
from reporting.questions import Question

LIFECYCLE = OpenApiParameter("lifecycle", str, description="Its short name; else the first by name.")
STAGE = OpenApiParameter("stage", str, description="Its short name; else the first that there is to ask about.")
WINDOW = [
    OpenApiParameter("window", str, enum=windows.Preset.values, description="A time span by its name."),
    OpenApiParameter("from", OpenApiTypes.DATE, description="Or the first day of it."),
    OpenApiParameter("to", OpenApiTypes.DATE, description="And the day behind the last one counted."),
]
SPLIT = OpenApiParameter("split", str, description="The field by which everybody is parted: person.country.")
KNOWN = OpenApiParameter("known", OpenApiTypes.DATE, description="As it was known when this day began.")
PAST = [
    KNOWN,
    OpenApiParameter("as_of", OpenApiTypes.DATE, description="Only what had happened when this day began."),
    OpenApiParameter("as_known", str, enum=["then"], description="With `as_of`: and of that only what was known then."),
]
WITHIN = OpenApiParameter("within", int, description="Days that a cohort is given; else any time since.")

ABOUT = {
    "lifecycle": "net_new_b2b", "version": 2, "from": "2025-01-01", "to": "2025-02-01", "within": 30, "split": None,
    "known": None, "as_of": None, "filled_at": "2025-03-04T08:15:00Z",
}  # fmt: skip


class About(serializers.Serializer[Any]):
    """What a report of a lifecycle was asked."""

    lifecycle = serializers.SlugField()
    version = serializers.IntegerField()
    within = serializers.IntegerField(allow_null=True)
    split = serializers.CharField(allow_null=True)
    known = serializers.DateField(allow_null=True)
    as_of = serializers.DateField(allow_null=True)
    filled_at = Instant(
        allow_null=True, help_text="As of when the figures are; older ones are counted again meanwhile."
    )

    def get_fields(self) -> dict[str, Any]:
        days = {"from": serializers.DateField(), "to": serializers.DateField(help_text="Behind the last day counted.")}
        return super().get_fields() | days


class StageFigures(serializers.Serializer[Any]):
    """One stage. What a figure is, says its name and the definition of its metric; what cannot be told is not there."""

    stage = serializers.SlugField()
    name = serializers.CharField()
    position = serializers.IntegerField(help_text="Along the success path from 1; 0 is off it.")
    figures = serializers.DictField(child=FigureRow())


class BucketFigures(serializers.Serializer[Any]):
    """One value of the field that everybody was parted by."""

    value = serializers.CharField(help_text="Empty for those of whom it is not known.")
    called = serializers.CharField()
    figures = serializers.DictField(child=FigureRow())


@extend_schema_serializer(
    many=False,
    examples=[
        OpenApiExample(
            "January",
            ABOUT
            | {
                "headline": [{"called": "Entered “Lead”", "figure": COUNT}],
                "remarks": [{"figure": COUNT, "text": "entered “SAL” less than 30 days ago: unfinished …"}],
                "left_out": COUNT,
                "left_out_by": {"own": 3, "test": 1, "competitor": 0, "other": 0},
                "stages": [
                    {"stage": "mql", "name": "MQL", "position": 3, "figures": {"in_flow": COUNT, "to_next": SHARE}}
                ],
                "buckets": [],
                "definitions": DEFINITIONS,
            },
            response_only=True,
        )
    ],
)
class FunnelWhole(About):
    """The funnel of a lifecycle in a window: the figures of its page."""

    headline = LabelledRow(many=True)
    remarks = RemarkRow(many=True)
    left_out = FigureRow(help_text="Who is in none of the figures.")
    left_out_by = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="The same by the list that names them: `own`, `test`, `competitor`; `other` for another reason.",
    )
    stages = StageFigures(many=True)
    buckets = BucketFigures(many=True)
    definitions = serializers.DictField(child=serializers.CharField())


@extend_schema_serializer(
    many=False,
    examples=[
        OpenApiExample(
            "Hand-offs",
            ABOUT
            | {
                "stage": "mql",
                "headline": [{"called": "Accepted", "figure": SHARE}],
                "remarks": [],
                "sections": [
                    {
                        "id": "outcomes", "title": "What became of them", "purpose": "…", "empty": "",
                        "table": {
                            "heads": ["", "Offered", "Accepted"],
                            "lines": [{"head": "Everybody", "remark": "", "figures": [COUNT, SHARE]}],
                            "sum": None, "left_over": 0,
                        },
                    }
                ],
                "footnotes": [],
                "definitions": DEFINITIONS,
            },
            response_only=True,
        )
    ],
)  # fmt: skip
class StageSheet(About, SheetRow):
    """A report about one stage of a lifecycle: the figures of its page."""

    stage = serializers.SlugField()


class LifecycleReport(Report):
    """A report of one lifecycle in a window."""

    def plan(self, given: dict[str, str], found: list[tuple[Lifecycle, Plan]]) -> Plan:
        """The plan of the lifecycle that is asked for, out of those that have the report. Raises Problem."""
        if not found:
            raise Problem(404, "nothing_to_report", "No published lifecycle has what this report is about.")
        lifecycle, unknown = addresses.choose(given, [each for each, _plan in found])
        self.understood(unknown)
        return next(plan for each, plan in found if each == lifecycle)

    def question(self, given: dict[str, str], plan: Plan) -> Question:
        """The question of the address. Raises Problem for what is not understood."""
        asked = addresses.read(given, plan, funnels.today(self.now), self.now)
        self.understood(asked.notes)
        return asked.question

    def about(self, question: Question) -> dict[str, Any]:
        """What was asked, as the answer repeats it."""
        told = {
            "lifecycle": question.plan.lifecycle.slug, "version": question.plan.version.number,
            "from": question.window.start, "to": question.window.end, "within": question.within,
            "split": question.split.name if question.split else None, "known": question.known, "as_of": question.past,
            "filled_at": freshness.bring_up_to_date(question.plan.lifecycle, self.now),
        }  # fmt: skip
        return dict(About(told).data)


class FunnelReport(LifecycleReport):
    """How many were in each stage, came, went on, and how long it took."""

    known = ("lifecycle", "window", "from", "to", "within", "split", "known", *past.PARAMETERS)

    @extend_schema(responses=FunnelWhole, parameters=[LIFECYCLE, *WINDOW, WITHIN, SPLIT, *PAST])
    def list(self, request: Request) -> Response:
        """Read the funnel of a lifecycle. The figures are those of its page; each names the rows that it counts."""
        given = self.asked()
        plan = self.plan(given, [(each, plan) for each in plans.readable() if (plan := plans.read(each))])
        question = self.question(given, plan)
        with known.entries(question) as then:
            answer = replace(funnels.answer(then), question=question)
            late = recorded_late.by_stage(then.about(split=None))
        context = self.get_serializer_context()
        remarks = [*figures.remarks(answer), *figures.late(answer, late)]
        stages = [
            {"stage": row.place.slug, "name": row.place.name, "position": row.place.position,
             "figures": figures.by_name(answer, row)}
            for row in answer.everybody.rows
        ]  # fmt: skip
        buckets = [
            {"value": each.value, "called": each.label, "figures": figures.of_bucket(answer, each)}
            for each in answer.buckets
        ]
        left_out = counted(question.about(split=None), "excluded", answer.excluded)
        told = self.about(question) | {
            "headline": LabelledRow(labelled(figures.headline(answer)), many=True, context=context).data,
            "remarks": RemarkRow(remarked(remarks), many=True, context=context).data,
            "left_out": FigureRow(left_out, context=context).data,
            "left_out_by": answer.excluded_by,
            "stages": StageFigures(stages, many=True, context=context).data,
            "buckets": BucketFigures(buckets, many=True, context=context).data,
            "definitions": definitions(figures.METRICS),
        }
        return etags.answer(request, told)


class HandOffReport(LifecycleReport):
    """What sales made of whom marketing handed over, how soon, and in time or not."""

    known = ("lifecycle", "stage", "window", "from", "to", "split", "known", *past.PARAMETERS)

    @extend_schema(responses=StageSheet, parameters=[LIFECYCLE, STAGE, *WINDOW, SPLIT, *PAST])
    def list(self, request: Request) -> Response:
        """Read the hand-offs out of one stage with a limit. 404 `nothing_to_report` while no stage has one."""
        given = self.asked()
        found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and plan.hand_offs]
        plan = self.plan(given, found)
        stage, unknown = addresses.stage_of(given, plan.hand_offs)
        self.understood(unknown)
        question = handoffs.of_stage(self.question(given, plan), stage)
        with known.entries(question) as then:
            answer = replace(handoffs.answer(then), question=question)
        told = self.about(question) | {"stage": stage.slug} | self.told(handoff_figures.sheet(answer))
        return etags.answer(request, told)


class LoopReport(LifecycleReport):
    """Who was sent on a detour, who came back, and who won after all."""

    known = ("lifecycle", "stage", "reason", "reason_empty", "window", "from", "to", "known", *past.PARAMETERS)

    @extend_schema(
        responses=StageSheet,
        parameters=[
            LIFECYCLE, STAGE, OpenApiParameter("reason", str, description="Only those sent for this reason."),
            OpenApiParameter("reason_empty", str, enum=["1"], description="Only those sent for none."), *WINDOW, *PAST,
        ],
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        """Read the detours and returns of one lifecycle, with the periods of one stage that chart notes part."""
        given = self.asked()
        found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and len(plan.success) > 1]
        plan = self.plan(given, found)
        stage, unknown = addresses.stage_of(given, loops.offered(plan))
        self.understood(unknown)
        question = loops.of_stage(self.question(given, plan), stage, addresses.reason(given))
        cuts = [(note.day, note.text) for note in notes.within(question.window)]
        with known.entries(question) as then:
            answer = replace(loops.answer(then, cuts), question=question)
        told = self.about(question) | {"stage": stage.slug} | self.told(loop_figures.sheet(answer))
        return etags.answer(request, told)


@extend_schema_serializer(
    many=False,
    examples=[
        OpenApiExample(
            "Leaks by industry",
            ABOUT
            | {
                "split": "account.industry",
                "headline": [{"called": "Largest leak", "figure": SHARE}],
                "remarks": [],
                "sections": [
                    {
                        "id": "leaks", "title": "Leaks", "purpose": "…", "empty": "",
                        "table": {
                            "heads": ["Where, and who", "Went on", "Interval", "Of everybody", "Lost on the way"],
                            "lines": [
                                {"head": "MQL → SAL: Retail", "remark": "may be chance", "figures": [SHARE, SHARE]}
                            ],
                            "sum": None, "left_over": 0,
                        },
                    }
                ],
                "footnotes": ["A leak is the rate of all less that of the part, …"],
                "definitions": DEFINITIONS,
            },
            response_only=True,
        )
    ],
)  # fmt: skip
class LeakSheet(About, SheetRow):
    """Where a lifecycle loses most: the figures of the page, the most valuable leak first."""


class LeakReport(LifecycleReport):
    """At which stage, and in which part of everybody, most is lost, and what that is worth."""

    known = ("lifecycle", "window", "from", "to", "within", "split", "known", *past.PARAMETERS)

    @extend_schema(responses=LeakSheet, parameters=[LIFECYCLE, *WINDOW, WITHIN, SPLIT, *PAST])
    def list(self, request: Request) -> Response:
        """Read the leaks of one lifecycle. Without `split` everybody is parted as the page does."""
        given = self.asked()
        found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and len(plan.success) > 1]
        plan = self.plan(given, found)
        given["split"] = given.get("split") or leak_figures.parted_by(plan.lifecycle.of)
        question = self.question(given, plan)
        with known.entries(question) as then:
            answer = replace(leaks.answer(then), question=question)
        return etags.answer(request, self.about(question) | self.told(leak_figures.sheet(answer)))


class CostReport(LifecycleReport):
    """What it cost, channel by channel, to bring somebody to a stage."""

    known = ("lifecycle", "stage", "window", "from", "to")

    @extend_schema(responses=StageSheet, parameters=[LIFECYCLE, STAGE, *WINDOW])
    def list(self, request: Request) -> Response:
        """Read what a stage cost by channel of entry. Amounts are minor units of the installation's currency."""
        given = self.asked()
        found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and plan.success]
        plan = self.plan(given, found)
        stage, unknown = addresses.stage_of(given, plan.success[1:] or plan.success)
        self.understood(unknown)
        question = self.question(given, plan).about(stage=stage.slug, split=None)
        about = self.about(question)
        told = about | {"stage": stage.slug} | self.told(cost_figures.sheet(costs.answer(question)))
        return etags.answer(request, told)


class TimeReport(LifecycleReport):
    """How fast people move on, where they wait longest, and who waits still."""

    known = ("lifecycle", "stage", "window", "from", "to", "known", *past.PARAMETERS)

    @extend_schema(responses=StageSheet, parameters=[LIFECYCLE, STAGE, *WINDOW, *PAST])
    def list(self, request: Request) -> Response:
        """Read pace, survival with open stays and what ends them, with one stage looked at closely."""
        given = self.asked()
        found = [(each, plan) for each in plans.readable() if (plan := plans.read(each)) and pace.offered(plan)]
        plan = self.plan(given, found)
        stage, unknown = addresses.stage_of(given, pace.offered(plan))
        self.understood(unknown)
        question = self.question(given, plan).about(stage=stage.slug)
        with known.entries(question) as then:
            answer = replace(pace.answer(then), question=question)
        told = self.about(question) | {"stage": stage.slug} | self.told(pace_figures.sheet(answer))
        return etags.answer(request, told)
