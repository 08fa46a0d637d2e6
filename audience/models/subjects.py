"""What every table that belongs to one subject has in common."""

from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, NullIf
from django.db.models.lookups import IsNull


class NextSubjectId(models.Func):
    """The next id out of the one sequence that people and accounts share."""

    template = "nextval('audience_subject_seq')"
    output_field = models.BigIntegerField()


class Folded(models.Func):
    """Text as names and emails are compared: lower case, byte by byte, the same on every server."""

    template = 'lower(%(expressions)s COLLATE "C")'
    output_field = models.TextField()


class Words(models.Func):
    """The words of some columns, parted at blanks and folded like `Folded`, so that an index finds their beginnings."""

    template = "array_to_tsvector(array_remove(string_to_array(lower((%(expressions)s) COLLATE \"C\"), ' '), ''))"
    arg_joiner = " || ' ' || "
    output_field = SearchVectorField()


def first_filled(*paths: str) -> Coalesce:
    """The first of several text values that is filled; the empty text counts as no value."""
    return Coalesce(*(NullIf(F(path), Value("")) for path in paths))


class OneSubject(models.Model):
    """A row of one person or of one account; `subject_id` names either, for keys, indexes and joins."""

    person = models.ForeignKey("audience.Person", null=True, on_delete=models.PROTECT, db_index=False)
    account = models.ForeignKey("audience.Account", null=True, on_delete=models.PROTECT, db_index=False)
    subject_id = models.GeneratedField(
        expression=Coalesce(F("person_id"), F("account_id")), output_field=models.BigIntegerField(), db_persist=True
    )

    class Meta:
        abstract = True


def one_subject(name: str) -> models.CheckConstraint:
    """The constraint that exactly one of person and account is set."""
    return models.CheckConstraint(
        name=f"{name}_one_subject",
        condition=Q(IsNull(F("person"), True), IsNull(F("account"), False))
        | Q(IsNull(F("person"), False), IsNull(F("account"), True)),
    )
