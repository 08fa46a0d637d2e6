"""In every split that the product offers the unknown are a bucket of their own, and the buckets add up to all."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from audience.likeness import asking, profile
from audience.models import Account, Person
from audience.readiness import completeness, measures, origins
from audience.subjects import custom, filters
from kit.models import User
from reporting import filling, handoffs, plans, splits
from reporting.questions import ask
from reporting.windows import Window
from tests.factories import account, deal, person
from tests.reporting.ledger import NOW, TODAY, asked, lifecycle, on, walk
from tests.reporting.test_handoffs import STAGES

pytestmark = pytest.mark.django_db
VALUES = (
    {},
    {"country": "DE"},
    {"country": "FR", "source": "fair"},
    {"seniority": "vp", "title_group": "sales", "language": "de"},
)


def some():
    """What may be known of people and accounts, most of it of only some of them."""
    for of in ("person", "account"):
        custom.define("Plan", of=of, type="choice", choices=["free", "pro"], by=None, now=NOW)
        custom.define("Paid", of=of, type="yes_no", by=None, now=NOW)
    firms = [account(industry=industry, country=country, employees=employees, custom=own)
             for industry, country, employees, own in (
                 ("Water", "DE", 40, {"plan": "free"}), ("Retail", "", None, {"paid": True}), ("", "FR", 7, {}))]  # fmt: skip
    return [
        {"account": firms[number % 4] if number % 4 < 3 else None, "custom": {"plan": "pro"} if number % 3 == 0 else {}}
        | told
        for number in range(3)
        for told in VALUES
    ]


@pytest.mark.parametrize("of", ["person", "account"])
def test_the_buckets_of_every_split_of_the_funnel_add_up_to_everybody(of):
    through = lifecycle(of=of)
    for number, values in enumerate(some()):
        if of == "account":
            values = {name: value for name, value in values.items() if name in ("country", "custom")}
        walk(through, ("lead", 1 + number), *[("mql", 20 + number)][: number % 2], **values)
    offered = splits.offered(of)
    assert len(offered) > 5
    for split in offered:
        answer = asked(through, 1, 60, split=split)
        for at, row in enumerate(answer.everybody.rows):
            parts = [bucket.body.rows[at] for bucket in answer.buckets]
            for figure in ("balance_start", "in_flow", "out_flow", "balance_end", "entered"):
                assert sum(getattr(part, figure) for part in parts) == getattr(row, figure), (split.name, figure)
        if split.name not in ("person.has_account", "account.has_account"):
            assert splits.EMPTY in {bucket.value for bucket in answer.buckets}, split.name


def test_the_buckets_of_every_split_of_hand_offs_add_up_to_everybody():
    through = lifecycle(stages_of=STAGES)
    for number, values in enumerate(some()):
        walk(through, ("lead", 1 + number), ("mql", 20 + number), *[("sal", 22 + number)][: number % 2], **values)
    filling.fill(through, now=NOW)
    plan = plans.read(through)
    stage = next(place for place in plan.places if place.slug == "mql")
    for split in splits.offered("person"):
        question = ask(plan, Window(on(1).date(), on(60).date()), TODAY, split=split)
        answer = handoffs.answer(handoffs.of_stage(question, stage))
        assert sum(body.offered for _value, body in answer.buckets) == answer.everybody.offered == 12, split.name


def test_the_values_of_every_field_and_every_trait_add_up_to_everybody():
    for number, values in enumerate(some()):
        deal(person(**values), on(1), on(2), amount=100 * number, currency="EUR")
    parted = 0
    for of in completeness.OF:
        for measure in measures.kept(of):
            buckets = origins.buckets(measure, NOW)
            if buckets:
                parted += 1
                assert sum(count for _value, count in buckets) == completeness.now_of(measure, NOW).of, measure.name
        told = profile.answer(asking.read({"of": of, "top": "100"}, NOW).question)
        for part in told.parts:
            assert sum(each.everybody.hits for each in part.values) == told.everybody, part.trait.name
            assert sum(each.best.hits for each in part.values) == told.best, part.trait.name
    assert parted > 10


def test_the_choices_of_every_filter_by_value_add_up_to_the_whole_list():
    cache.clear()  # the values in use are remembered for a while
    for values in some():
        person(**values)
    request = RequestFactory().get("/")
    request.user = User(email="ada@example.com", role=User.Role.ADMIN)
    for filterset, model in ((filters.People, Person), (filters.Accounts, Account)):
        for name, each in filterset.base_filters.items():
            if not isinstance(each, filters.ValueFilter) and name != "size":
                continue
            bound = filterset(data={}, queryset=model.objects.all(), request=request)
            choices = [value for value, _label in bound.form.fields[name].choices if value]
            assert filters.EMPTY in choices, name
            sizes = [
                filterset(data={name: value}, queryset=model.objects.all(), request=request).qs.count()
                for value in choices
            ]
            assert sum(sizes) == model.objects.count(), name
