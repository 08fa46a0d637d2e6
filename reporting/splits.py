"""Parting everybody by one of their fields as of the end of the window; the unknown are a bucket of their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from audience.conditions import columns, registry
from audience.conditions.moment import Moment
from kit.sql import Sql, sql
from lifecycle.models import Lifecycle

EMPTY = ""  # the bucket of those whose value is unknown, called "(empty)" on every page
TYPES = ("text", "choice", "yes_no")
# A bucket of one each: no question that a funnel answers.
NAMES = {
    "person.email", "person.phone", "person.first_name", "person.last_name", "person.title", "person.is_excluded",
    "person.excluded_reason", "account.excluded_reason",
    "account.name", "account.domain", "account.is_excluded",
}  # fmt: skip
CUSTOM = ("person.custom.", "account.custom.")  # the families that are kept as values; no others can part anybody


class UnknownSplit(ValueError):
    """There is no such field to split by; the message says which there are."""


@dataclass(frozen=True)
class Split:
    """One field by which the members of a lifecycle are parted."""

    field: registry.Field

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def label(self) -> str:
        return str(self.field.label)

    def called(self, bucket: str) -> str:
        """What a bucket is called."""
        if bucket == EMPTY:
            return _("(empty)")
        if self.field.type == "yes_no":
            return _("yes") if bucket == "true" else _("no")
        return str(dict(self.field.choices).get(bucket, bucket))

    def buckets(self, lifecycle: Lifecycle, at: datetime, known: datetime | None = None) -> Sql:
        """`membership_id, bucket` of every membership of the lifecycle, erased subjects included, as of `at`; with
        `known` as was known then."""
        subjects = columns.Subjects(lifecycle.of, Moment(at, known), Sql(""))
        answer = self.field.answer
        assert isinstance(answer, registry.Column)
        value = subjects.value(answer, self.field.type)
        return sql(
            """SELECT membership.id AS membership_id, COALESCE(({})::text, '') AS bucket
               {} JOIN lifecycle_membership membership
                    ON membership.subject_id = s.id AND membership.lifecycle_id = {}""",
            value,
            subjects.source(),
            lifecycle.pk,
        )


def offered(of: str) -> list[Split]:
    """The fields by which a lifecycle of people or of accounts can be split."""
    return [
        Split(field)
        for field in registry.catalogue(of).all(families=CUSTOM)
        if isinstance(field.answer, registry.Column) and field.type in TYPES and field.name not in NAMES
    ]


def find(name: str, of: str) -> Split:
    """The split by a field's name; a person's or account's own field may be named without its prefix.

    Raises UnknownSplit with the names there are.
    """
    known = {split.name: split for split in offered(of)}
    for wanted in (name, f"{of}.{name}", f"{of}.custom.{name}"):
        if wanted in known:
            return known[wanted]
    raise UnknownSplit(
        _("There is no field “%(name)s” to split by. There are: %(names)s.")
        % {"name": name[:60], "names": ", ".join(sorted(known))}
    )
