"""Filters of the members of a lifecycle, for their list and for the board."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django_filters
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from audience.models import Account, Deal, DealRole, Field, Person
from audience.subjects.filters import EMPTY, NUMBER, LeftOut, OneOf, Since, Until, ValueFilter
from audience.subjects.querysets import find_accounts, find_people
from kit import installation
from kit.api.filtering import Moment, TrueOrFalse, Whole
from kit.models import Team, User
from lifecycle.backtests import recorded, telling
from lifecycle.engine import stalled
from lifecycle.ledger import overrides, tallies
from lifecycle.models import BulkMember, Lifecycle, Membership, Movement, Proposal, Stage, Version
from lifecycle.models import Moved as MovedRow
from lifecycle.models import Reached as ReachedRow

QUIET = tuple((str(days), format_lazy(_("{days} days"), days=days)) for days in (7, 14, 30, 60, 90))


def _stages_asked_for(request: object) -> QuerySet[Stage]:
    """The stages of every version that is or was live, each slug once: as the newest has it."""
    ever_live = [Version.State.PUBLISHED, Version.State.PUBLISHING, Version.State.RETIRED]
    every = Stage.objects.filter(version__lifecycle=getattr(request, "lifecycle", None), version__state__in=ever_live)
    newest = every.order_by("slug", "-version__number").distinct("slug").values("pk")
    return Stage.objects.filter(pk__in=newest).order_by("-version__number", "order")


class InStage(django_filters.ModelChoiceFilter):
    """In a stage, in whatever version of it."""

    def __init__(self) -> None:
        super().__init__(queryset=_stages_asked_for, to_field_name="slug", label=_("Stage"))

    def filter(self, qs: QuerySet[Any], value: Stage | None) -> QuerySet[Any]:
        return qs.filter(stage__slug=value.slug) if value else qs


class WithWords(django_filters.CharFilter):
    """The subject's name, email, account or id has the words."""

    def __init__(self, of: str) -> None:
        person = of == "person"
        told = _("Name, email, account or id") if person else _("Name, domain or id")
        super().__init__(label=_("Search"), help_text=told)
        self.of = of

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        if self.of == "person":
            return qs.filter(person__in=find_people(Person.objects.all(), value).values("pk"))
        return qs.filter(account__in=find_accounts(Account.objects.all(), value).values("pk"))


class OfAccount(django_filters.CharFilter):
    """People of an account by its name, domain or number, or of none."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        asked = value.strip() if value else ""
        if not asked:
            return qs
        if asked == EMPTY:
            return qs.filter(person__account=None)
        if number := NUMBER.fullmatch(asked):
            return qs.filter(person__account_id=int(number[1]))
        return qs.filter(person__account__in=find_accounts(Account.objects.all(), asked).values("pk"))


class OwnedBy(OneOf):
    """The subject's owner is this user, or nobody."""

    def __init__(self, of: str) -> None:
        super().__init__(lambda: self._users(), field_name=f"{of}__owner", label=_("Owner"))

    def _users(self) -> Iterator[tuple[str, Any]]:
        yield EMPTY, _("(nobody)")
        for user in User.objects.filter(is_active=True).order_by("name", "email"):
            yield str(user.pk), str(user)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(**{str(self.field_name): None if value == EMPTY else int(value)})


class WithOpenDeal(django_filters.ChoiceFilter):
    """Whether a deal of the subject's is open: the account's own, or one that the person has a role in."""

    def __init__(self, of: str) -> None:
        super().__init__(label=_("Open deal"), choices=[("yes", _("With")), ("no", _("Without"))], empty_label=_("Any"))
        self.of = of

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        found = has_open_deal(self.of)
        return qs.filter(found if value == "yes" else ~found)


def has_open_deal(of: str) -> Exists:
    """Whether the outer membership's subject has an open deal."""
    if of == "person":
        return Exists(DealRole.objects.filter(person=OuterRef("subject_id"), deal__status=Deal.Status.OPEN))
    own = Q(account=OuterRef("subject_id")) | Q(partner=OuterRef("subject_id"))
    return Exists(Deal.objects.filter(own, status=Deal.Status.OPEN))


class OfSubjects(django_filters.FilterSet):
    """What is asked of the subjects of the request's lifecycle: words, account, industry, country, owner."""

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, **given: Any) -> None:
        super().__init__(data, queryset, request=request, **given)
        of = request.lifecycle.of
        path = "person__account__" if of == "person" else "account__"
        made: dict[str, django_filters.Filter] = {"q": WithWords(of), "owner": OwnedBy(of)}
        if of == "person":
            made["account"] = OfAccount(label=_("Account"), help_text=_("Name or domain, or “(empty)” for none."))
        made["industry"] = ValueFilter(f"{path}industry", Account, "industry", label=_("Industry"))
        made["country"] = ValueFilter(
            f"{of}__country", Person if of == "person" else Account, "country", label=_("Country")
        )
        made["deal"] = WithOpenDeal(of)
        made["left_out"] = self._left_out(of)
        for name, each in made.items():
            each.parent, each.model = self, Membership
            self.filters[name] = each

    def _left_out(self, of: str) -> django_filters.Filter:
        left_out = LeftOut()
        left_out.field_name = f"{of}__is_excluded"
        return left_out


class Members(OfSubjects):
    """Members of one lifecycle: where they are, whether their pass has ended, and who they are."""

    stage = InStage()
    ended = django_filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", exclude=True, label=_("Pass has ended")
    )

    class Meta:
        model = Membership
        fields: list[str] = []


class MembersThen(OfSubjects):
    """Members of a past day, by who they are today; where they were then says the address."""

    class Meta:
        model = Membership
        fields: list[str] = []


def days_of(text: str | None) -> int:
    """How many days without a sign of life an address asks for; the usual number unless it is one of those offered."""
    return int(text) if text in {value for value, _label in QUIET} else stalled.DAYS


class Stalled(OfSubjects):
    """Those who are stuck, by stage, for how long nobody has stirred, why, and who they are."""

    stage = InStage()
    days = django_filters.ChoiceFilter(
        choices=QUIET, method="as_asked", label=_("No sign of life for"), empty_label=None
    )
    why = django_filters.ChoiceFilter(choices=stalled.Why.choices, method="because", label=_("Why"))

    class Meta:
        model = Membership
        fields: list[str] = []

    def _left_out(self, of: str) -> django_filters.Filter:
        return LeftOutUnlessAsked(of)

    def as_asked(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        """The page has asked for these days already."""
        return rows

    def because(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        over = Q(("is_late", True)) if value == stalled.Why.LIMIT else Q(("days_in__gt", F("usual")))
        return rows.filter(over)  # of what the page annotates


class LeftOutUnlessAsked(django_filters.ChoiceFilter):
    """Who is left out of figures is not on the board, unless the address asks for them."""

    def __init__(self, of: str) -> None:
        choices = [("yes", _("Only those left out")), ("all", _("Everybody"))]
        super().__init__(label=_("Left out of figures"), choices=choices, empty_label=_("Only those that count"))
        self.of = of

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if value == "all":
            return qs
        # The few that are left out are found by their own index; joining all the others to the board costs much more.
        subjects: type[Person | Account] = Person if self.of == "person" else Account
        left_out = Exists(subjects._default_manager.filter(pk=OuterRef(f"{self.of}_id"), is_excluded=True))
        return qs.filter(left_out if value == "yes" else ~left_out)


class Board(OfSubjects):
    """Who is on the board: those that count in figures, narrowed by who they are."""

    class Meta:
        model = Membership
        fields: list[str] = []

    def _left_out(self, of: str) -> django_filters.Filter:
        return LeftOutUnlessAsked(of)

    @property
    def is_narrow(self) -> bool:
        """Whether something is asked of the subjects."""
        return any(value for name, value in self.data.items() if name in self.filters and name != "left_out")

    @property
    def as_list(self) -> dict[str, str]:
        """The same question as the list of members takes it: there everybody is shown unless asked otherwise."""
        asked = {name: value for name, value in self.data.items() if name in self.filters and value}
        left_out = {"yes": {"left_out": "yes"}, "all": {}}.get(asked.pop("left_out", ""), {"left_out": "no"})
        return asked | left_out


class Lifecycles(django_filters.FilterSet):
    """Lifecycles by species and subjects."""

    species = django_filters.ChoiceFilter(choices=Lifecycle.Species.choices, label=_("Species"))
    of = django_filters.ChoiceFilter(choices=Field.Of.choices, label=_("Subjects"))

    class Meta:
        model = Lifecycle
        fields: list[str] = []


def _among(column: str, ids: QuerySet[Any]) -> Q:
    """The rows with one of a few ids. One alone is asked for as such: then an index on the column gives its order."""
    found = list(ids.values_list("pk", flat=True))
    return Q(**{column: found[0]}) if len(found) == 1 else Q(**{f"{column}__in": found})


class AllMemberships(django_filters.FilterSet):
    """Memberships by lifecycle, stage and subject, as programs ask for them."""

    lifecycle = django_filters.CharFilter(method="of_lifecycle", label=_("Lifecycle (its short name)"))
    stage = django_filters.CharFilter(method="in_stage", label=_("Stage (its short name)"))
    person = Whole(method="of_subject", label=_("A person’s id"))
    account = Whole(method="of_subject", label=_("An account’s id"))
    open = TrueOrFalse("ended_at", "isnull", label=_("Whether the pass goes on"))

    class Meta:
        model = Membership
        fields: list[str] = []

    def of_lifecycle(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        return rows.filter(_among("lifecycle", Lifecycle.objects.filter(slug=value)))

    def in_stage(self, rows: QuerySet[Membership], name: str, value: str) -> QuerySet[Membership]:
        return rows.filter(_among("stage", Stage.objects.filter(slug=value)))

    def of_subject(self, rows: QuerySet[Membership], name: str, value: int) -> QuerySet[Membership]:
        return rows.filter(**{"subject_id": value, name: value})


class AllMovements(django_filters.FilterSet):
    """Movements by lifecycle, way, subject, kind and time, as programs ask for them."""

    lifecycle = django_filters.CharFilter(method="of_lifecycle", label=_("Lifecycle (its short name)"))
    membership = Whole("membership_id", label=_("A membership’s id"))
    person = Whole(method="of_subject", label=_("A person’s id"))
    account = Whole(method="of_subject", label=_("An account’s id"))
    from_stage = django_filters.CharFilter(method="by_way", label=_("Out of this stage (its short name)"))
    to_stage = django_filters.CharFilter(method="by_way", label=_("Into this stage (its short name)"))
    kind = django_filters.ChoiceFilter(choices=Movement.Kind.choices, label=_("How"))
    since = Moment("occurred_at", "gte", label=_("Not before this instant"))
    before = Moment("occurred_at", "lt", label=_("Before this instant"))

    class Meta:
        model = Movement
        fields: list[str] = []

    def of_lifecycle(self, rows: QuerySet[Movement], name: str, value: str) -> QuerySet[Movement]:
        moving = Version.objects.filter(lifecycle__slug=value).exclude(state=Version.State.DRAFT)
        return rows.filter(_among("version", moving))

    def of_subject(self, rows: QuerySet[Movement], name: str, value: int) -> QuerySet[Movement]:
        return rows.filter(**{"membership__subject_id": value, f"membership__{name}": value})

    def by_way(self, rows: QuerySet[Movement], name: str, value: str) -> QuerySet[Movement]:
        return rows.filter(_among(name, Stage.objects.filter(slug=value)))


class AllOverrides(django_filters.FilterSet):
    """Moves over a guard by lifecycle, stages, who made them, when, and what came of them, as programs ask for them."""

    lifecycle = django_filters.CharFilter("version__lifecycle__slug", label=_("Lifecycle (its short name)"))
    from_stage = django_filters.CharFilter("from_stage__slug", label=_("Out of this stage (its short name)"))
    to_stage = django_filters.CharFilter("to_stage__slug", label=_("Into this stage (its short name)"))
    actor = django_filters.CharFilter("actor", label=_("By whom, as the ledger says"))
    team = Whole(method="of_team", label=_("By users of this team: its id"))
    result = django_filters.ChoiceFilter(choices=overrides.Result.choices, label=_("What came of it"))
    since = Moment("occurred_at", "gte", label=_("Not before this instant"))
    before = Moment("occurred_at", "lt", label=_("Before this instant"))

    class Meta:
        model = Movement
        fields: list[str] = []

    def of_team(self, rows: QuerySet[Movement], name: str, value: int) -> QuerySet[Movement]:
        return overrides.of_team(rows, value)


class InStageOf(InStage):
    """By a stage of the move, in whatever version of it."""

    def __init__(self, column: str, label: Any) -> None:
        super().__init__()
        self.column, self.label = column, label

    def filter(self, qs: QuerySet[Any], value: Stage | None) -> QuerySet[Any]:
        return qs.filter(**{f"{self.column}__slug": value.slug}) if value else qs


class Overrides(django_filters.FilterSet):
    """Moves over a guard by stages, who made them, when, and what came of them."""

    from_stage = InStageOf("from_stage", _("From"))
    to_stage = InStageOf("to_stage", _("To"))
    actor = OneOf(lambda: (), label=_("By"), method="of_actor")
    team = django_filters.ModelChoiceFilter(
        queryset=Team.objects.order_by("name"), method="of_team", label=_("By users of the team")
    )
    result = django_filters.ChoiceFilter(choices=overrides.Result.choices, label=_("What came of it"))
    won = django_filters.ChoiceFilter(choices=[("yes", _("yes"))], method="of_won", label=_("Won since"))
    since = Since("occurred_at", label=_("From day"))
    until = Until("occurred_at", label=_("To day, that day included"))

    class Meta:
        model = Movement
        fields: list[str] = []

    def __init__(self, data: Any = None, queryset: Any = None, *, request: Any = None, **given: Any) -> None:
        super().__init__(data, queryset, request=request, **given)
        actors = queryset.order_by("actor").values_list("actor", flat=True).distinct()
        self.filters["actor"].extra["choices"] = lambda: [
            ("", _("Any")),
            *((each, each) for each in dict.fromkeys(map(overrides.person_of, actors))),
        ]

    def of_actor(self, rows: QuerySet[Movement], name: str, value: str) -> QuerySet[Movement]:
        return overrides.of_person(rows, value)

    def of_won(self, rows: QuerySet[Movement], name: str, value: str) -> QuerySet[Movement]:
        return rows.filter(tallies.won_since())

    def of_team(self, rows: QuerySet[Movement], name: str, value: Team) -> QuerySet[Movement]:
        return overrides.of_team(rows, value.pk)


class BulkMembers(django_filters.FilterSet):
    """Members of a bulk move by what came of them."""

    outcome = django_filters.ChoiceFilter(choices=BulkMember.Outcome.choices, label=_("What came of it"))

    class Meta:
        model = BulkMember
        fields: list[str] = []


class Reached(django_filters.FilterSet):
    """Those whom a backtest saw come to the stage: by which side, how much sooner or later, with the outcome or not."""

    SIDES = (
        ("tried_only", _("only by this version")),
        ("live_only", _("only by the live version")),
        ("both", _("by both")),
        ("sooner", _("by both, sooner by this version")),
        ("later", _("by both, later by this version")),
        ("recorded", _("as recorded")),
        ("recorded_only", _("as recorded, not by this version")),
        ("unrecorded", _("by this version, not as recorded")),
    )
    who = django_filters.ChoiceFilter(choices=SIDES, method="of_side", label=_("Came to the stage"))
    outcome = django_filters.ChoiceFilter(
        choices=(("yes", _("yes")), ("no", _("no"))), method="of_outcome", label=_("Reached the outcome")
    )
    cost = django_filters.ChoiceFilter(
        choices=(("yes", _("known")), ("no", _("not known"))), method="of_cost", label=_("Share of costs")
    )

    def of_side(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        zone = installation.zone()
        days = {f"{side}_on": TruncDate(f"{side}_at", tzinfo=zone) for side in ("tried", "live", "ledger")}
        begins = F("backtest__begins_on")
        both = Q(tried_at__isnull=False, live_at__isnull=False) & (Q(tried_on__gte=begins) | Q(live_on__gte=begins))
        asked = {
            "tried_only": Q(live_at=None, tried_on__gte=begins),
            "live_only": Q(tried_at=None, live_on__gte=begins),
            "both": both,
            "sooner": both & Q(tried_on__lt=F("live_on")),
            "later": both & Q(tried_on__gt=F("live_on")),
            "recorded": Q(ledger_on__gte=begins),
            "recorded_only": Q(tried_at=None, ledger_on__gte=begins),
            "unrecorded": Q(ledger_at=None, tried_on__gte=begins),
        }
        return rows.alias(**days).filter(asked[value])

    def of_outcome(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(outcome_at__isnull=value == "no")

    def of_cost(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(cost__isnull=value == "no")

    class Meta:
        model = ReachedRow
        fields: list[str] = []


class Moved(django_filters.FilterSet):
    """Those whom hands, files and answers of sales moved in the time span of a backtest, and who stands elsewhere."""

    cause = django_filters.ChoiceFilter(
        choices=(*MovedRow.Cause.choices, ("hand_or_file", _("by hand, a program or a file"))),
        method="of_cause",
        label=_("How"),
    )
    elsewhere = django_filters.ChoiceFilter(
        choices=(("tried", _("this version’s rules")), ("live", _("the live version’s rules"))),
        method="of_elsewhere",
        label=_("Elsewhere by"),
    )

    def of_cause(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(cause__in=["hand", "file"] if value == "hand_or_file" else [value])

    def of_elsewhere(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.exclude(**{f"{value}_stood": F("stood")})

    class Meta:
        model = MovedRow
        fields: list[str] = []


class BacktestMovements(django_filters.FilterSet):
    """The ledger's moves in the time span of a backtest by the stage that was come into or left, and by their cause."""

    came = django_filters.ChoiceFilter("to_stage__slug", label=_("Came into"))
    left = django_filters.ChoiceFilter("from_stage__slug", label=_("Left"))
    cause = django_filters.ChoiceFilter(choices=tuple(telling.CAUSES.items()), method="of_cause", label=_("How"))

    class Meta:
        model = Movement
        fields: list[str] = []

    def __init__(self, *given: Any, request: Any = None, **named: Any) -> None:
        super().__init__(*given, request=request, **named)
        self.backtest = request.backtest
        for each in ("came", "left"):
            self.filters[each].extra["choices"] = [
                each for each in telling.stage_names(self.backtest).items() if each[0]
            ]

    def of_cause(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(pk__in=recorded.movements(self.backtest, value).values("pk"))


class Proposals(django_filters.FilterSet):
    """Proposed starting points by stage, evidence, and whether they were accepted."""

    stage = django_filters.CharFilter("stage__slug", label=_("Stage"))
    evidence = django_filters.ChoiceFilter(choices=Proposal.Evidence.choices, label=_("Because"))

    class Meta:
        model = Proposal
        fields: list[str] = []
