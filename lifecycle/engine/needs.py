"""What a lifecycle's rules ask of the data, and whether it is there: each kind of activity, each table, each field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audience.activity import kinds
from audience.conditions import registry, tree
from audience.models import ActivityKind
from audience.readiness import completeness, measures
from kit import writing
from kit.sql import Sql, sql, value
from lifecycle.editions import sentences

# Facts that stand in tables of their own, by the beginning of their fields' names.
TABLES = {
    "activity.": (gettext_lazy("Activities"), "audience_activity"),
    "deal.": (gettext_lazy("Deals"), "audience_deal"),
    "purchase.": (gettext_lazy("Purchases"), "audience_purchase"),
    "contract.": (gettext_lazy("Contracts"), "audience_contract"),
    "case.": (gettext_lazy("Service cases"), "audience_case"),
}


@dataclass(frozen=True)
class Need:
    """One thing that the rules ask, what was found of it, and where it comes from."""

    label: str
    found: str
    is_there: bool
    url: str


def of(document: dict[str, Any], now: datetime) -> list[Need]:
    """Everything that the document's conditions ask, once each; what is missing first."""
    told = sentences.Sentences(document)
    leaves = told.leaves()
    found = [*_of_kinds(leaves), *_of_tables(leaves), *_of_fields(told.fields(), document["of"], now)]
    return sorted(found, key=lambda each: each.is_there)


def _of_kinds(leaves: list[tree.Leaf]) -> list[Need]:
    """Of each kind of activity that is asked about, how many of the newest activities are of it."""
    asked = sorted({slug for leaf in leaves for slug in _kinds(leaf)})
    known = {each.slug: each for each in ActivityKind.objects.filter(slug__in=asked)}
    counted = kinds.counts([each.pk for each in known.values()]) if known else {}
    needs = []
    for slug in asked:
        kind = known.get(slug)
        count = counted.get(kind.pk, 0) if kind else 0
        label = _("Activity “%(kind)s”") % {"kind": kind.label if kind else slug.replace("_", " ")}
        said = _("%(n)s recorded") % {"n": writing.number(count)} if count else _("none recorded yet")
        needs.append(Need(label, said, count > 0, reverse("kinds" if kind else "import_new")))
    return needs


def _kinds(leaf: tree.Leaf) -> list[str]:
    if not leaf.field.name.startswith("activity."):
        return []
    wanted = dict(leaf.where).get("kind", ())
    return [wanted] if isinstance(wanted, str) else [str(each) for each in wanted]


def _of_tables(leaves: list[tree.Leaf]) -> list[Need]:
    """Of facts of which no kind is named, whether there are any."""
    needs = []
    for prefix, (label, table) in TABLES.items():
        if not any(leaf.field.name.startswith(prefix) and not _kinds(leaf) for leaf in leaves):
            continue
        some = bool(value(sql("SELECT EXISTS (SELECT FROM {})", Sql(table))))
        needs.append(Need(str(label), _("there are some") if some else _("none yet"), some, reverse("import_new")))
    return needs


def _of_fields(asked: list[registry.Field], of: str, now: datetime) -> list[Need]:
    """Of fields that can be empty, of how many of those to whom it applies it is known."""
    needs = []
    for field in asked:
        measure = measures.find(field.name)
        if measure is None:
            if field.name.startswith(("score.", "segment.", "stage.")):
                needs.append(Need(str(field.label), _("worked out here"), True, ""))
            continue
        share = completeness.now_of(measure, now)
        told = _("known of %(share)s of %(whom)s") % {
            "share": writing.percent(share.rate, 0), "whom": measure.applies.words,
        }  # fmt: skip
        needs.append(Need(str(measure.label), told, share.hits > 0, reverse("readiness_field", args=[field.name])))
    return needs
