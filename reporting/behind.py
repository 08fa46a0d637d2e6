"""The rows behind a figure about customers or partners: of which table they are, and which of them a user sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet

from audience.models import Account, Contract, Deal, Person
from audience.subjects import sight
from reporting.metrics.metric import CustomerMetric
from reporting.money import MoneyQuestion, Of

MODELS: Mapping[str, type[Model]] = {"contract": Contract, "deal": Deal, "partner": Account}


def model(metric: CustomerMetric, question: MoneyQuestion) -> type[Model]:
    """Of which table the ids of a metric's relation are."""
    return MODELS.get(metric.unit) or (Person if question.of == Of.PEOPLE else Account)


def seen(found: QuerySet[Any], user: Any) -> QuerySet[Any]:
    """Those that a user sees."""
    if found.model is Deal:
        return sight.deals(found, user)
    return sight.subjects(found, user, "subject_id" if found.model is Contract else "pk")
