"""The form field in which people build a condition: JSON that `conditions.tree` takes, and a widget to make it with.

    class RuleForm(forms.Form):
        condition = ConditionField(of="person", label=_("Who"))

The value is the condition as JSON ({} is everybody). Pages put `{{ form.media }}` into their head. Without JavaScript
the widget is the condition as a sentence and its JSON; with it (static/js/builder.js) a builder that needs no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from audience.conditions import describe, offering, tree
from audience.conditions.registry import Field
from audience.conditions.tree import ConditionError

Text = str | Promise
LONGEST = 200_000  # letters of JSON


class ConditionWidget(forms.Textarea):
    """A textarea with the JSON, read back as a sentence, which scripts turn into a builder.

    `counts`: with the number and a sample of those of whom the condition holds while it is edited.
    """

    template_name = "audience/_builder.html"
    use_fieldset = True

    def __init__(self, of: str = "person", *, counts: bool = True, coming: Iterable[Field] = (), attrs: Any = None):
        super().__init__({"rows": 8, "spellcheck": "false", "autocomplete": "off", **(attrs or {})})
        self.of = of
        self.counts = counts
        self.coming = list(coming)

    class Media:
        css = {"all": ("css/builder.css",)}
        js = (forms.Script("js/builder.js", type="module"),)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["of"] = self.of
        context["counts"] = self.counts
        context["sentence"] = self.sentence(value)
        context["coming"] = offering.described(self.coming)
        context["urls"] = {
            each: f"{reverse(f'conditions_{each}')}?of={self.of}" for each in ("fields", "values", "check")
        }
        return context

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """Drawn with the look's own components, which the renderer of forms does not know."""
        return mark_safe(render_to_string(self.template_name, self.get_context(name, value, attrs)))

    def format_value(self, value: Any) -> str:
        """JSON to be read by people, whether a condition or what somebody typed is given."""
        if isinstance(value, str):
            return value
        return json.dumps(value or {}, ensure_ascii=False, indent=2)

    def sentence(self, value: Any) -> str:
        """What the condition asks, or "" for something that is none."""
        try:
            data = json.loads(value) if isinstance(value, str) else value
            return describe.sentence(tree.parse(data, of=self.of, coming=self.coming))
        except (ValueError, RecursionError):
            return ""


class ConditionField(forms.CharField):
    """A condition about people or accounts. Cleaned, it is JSON in the form of `tree.dump`: {} means everybody.

    `required` refuses {}. `coming` are fields that the condition may ask though they do not stand in rows yet. What is
    wrong is said in the user's words with its place, all of it at once.
    """

    widget = ConditionWidget

    def __init__(
        self,
        *,
        of: str = "person",
        coming: Iterable[Field] = (),
        counts: bool = True,
        required: bool = False,
        **given: Any,
    ) -> None:
        self.coming = list(coming)
        given.setdefault("widget", ConditionWidget(of, counts=counts, coming=self.coming))
        super().__init__(required=required, max_length=LONGEST, strip=True, **given)
        self.of = of

    @property
    def of(self) -> str:
        """Of whom is asked: "person" or "account"; may be set until the form is shown."""
        return self._of

    @of.setter
    def of(self, of: str) -> None:
        self._of = self.widget.of = of

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or "{}"
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValidationError(
                _("This is no JSON: line %(line)s, letter %(column)s. Use the builder, or mend it there.")
                % {"line": error.lineno, "column": error.colno},
                code="no_json",
            ) from error
        except RecursionError as error:
            raise ValidationError(_("The condition is nested too deep; flatten it."), code="too_deep") from error
        except ValueError as error:
            raise ValidationError(_("A number has too many digits."), code="bad_number") from error

    def validate(self, value: Any) -> None:
        """Nothing here: what JSON may be is said by `run_validators`' place, the parser in `clean`."""

    def run_validators(self, value: Any) -> None:
        """The length of JSON was seen to before it was read."""

    def clean(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > LONGEST:
            raise ValidationError(_("The condition is too long; split it."), code="too_long")
        data = super().clean(value)
        errors = tree.problems(data, of=self.of, coming=self.coming)
        if errors:
            raise ValidationError([_validation(error) for error in errors])
        node = tree.parse(data, of=self.of, coming=self.coming)
        if self.required and tree.is_everybody(node):
            raise ValidationError(_("Say who is meant: add at least one condition."), code="everybody")
        return tree.dump(node)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or {}) != self.to_python(data)
        except ValidationError:
            return True


def _validation(error: ConditionError) -> ValidationError:
    return ValidationError(error.message, code=error.code)
