"""Filters of the lists of lifecycles."""

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from lifecycle.models import Membership, Stage


def _stages_asked_for(request: object) -> QuerySet[Stage]:
    lifecycle = getattr(request, "lifecycle", None)
    return Stage.objects.filter(version__lifecycle=lifecycle, version__state__in=["published", "publishing"])


class Members(django_filters.FilterSet):
    """Members of one lifecycle: where they are, and whether their pass has ended."""

    stage = django_filters.ModelChoiceFilter(queryset=_stages_asked_for, to_field_name="slug", label=_("Stage"))
    ended = django_filters.BooleanFilter(
        field_name="ended_at", lookup_expr="isnull", exclude=True, label=_("Pass has ended")
    )

    class Meta:
        model = Membership
        fields: list[str] = []
