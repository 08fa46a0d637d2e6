"""What several forms share: a stage as a choice, and fields that a launch asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lifecycle.ledger import stages
from lifecycle.models import Lifecycle, Stage


class StageField(forms.ChoiceField):
    """A stage of a lifecycle; cleaned it is (lifecycle, slug), or (None, "") where it may be empty.

    `gates`: whether stages that hold nobody are on offer; `whole`: whether a lifecycle without a stage is.
    """

    def __init__(self, *, gates: bool = True, whole: bool = False, empty: Any = "", **given: Any) -> None:
        self.gates, self.whole, self.empty = gates, whole, empty
        super().__init__(choices=self._offered, **given)

    def _offered(self) -> Iterator[tuple[Any, Any]]:
        yield "", self.empty or _("Choose …")
        for lifecycle in Lifecycle.objects.order_by("name"):
            held = [each for each in stages.offered(lifecycle) if self.gates or each.kind != Stage.Kind.GATE]
            options: list[tuple[str, Any]] = [
                (f"{lifecycle.slug}/{each.slug}", f"{lifecycle.name} › {each.name}") for each in held
            ]
            if self.whole:
                options.insert(
                    0, (f"{lifecycle.slug}/", _("%(lifecycle)s, no one stage of it") % {"lifecycle": lifecycle.name})
                )
            if options:
                yield lifecycle.name, options

    def clean(self, value: Any) -> tuple[Lifecycle | None, str]:
        text = super().clean(value)
        if not text:
            return None, ""
        slug, _bar, stage = text.partition("/")
        return Lifecycle.objects.get(slug=slug), stage

    @staticmethod
    def written(lifecycle: Lifecycle | None, stage: str) -> str:
        """The choice that stands for a stage of a lifecycle."""
        return f"{lifecycle.slug}/{stage}" if lifecycle else ""


def not_optional(form: forms.BaseForm, *names: str) -> None:
    """Fields that may be empty and are not called optional: another answer, or the launch, asks for them."""
    for name in names:
        form.fields[name].depends = True  # type: ignore[attr-defined]
