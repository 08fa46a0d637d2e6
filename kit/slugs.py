"""Names in letters, digits and underscores, for addresses and conditions: free when given, and for ever."""

from collections.abc import Collection

from django.db.models import QuerySet
from django.utils.text import slugify

from kit.sql import run, sql

LONGEST = 50


def free(label: str, among: QuerySet, fallback: str, kept: Collection[str] = ("new",)) -> str:
    """A slug of the label's letters that no row of `among` has, with a number if need be; `fallback` when it has none.

    `kept` are slugs that the addresses of pages need. Within a transaction nobody else is given one until its end, so
    two who use the same name at the same time get two slugs.
    """
    run(sql("SELECT pg_advisory_xact_lock(hashtext('kit_slugs'), hashtext({}))", among.model._meta.db_table))
    stem = slugify(label).replace("-", "_")[:LONGEST].strip("_") or fallback
    taken = {*kept, *among.filter(slug__startswith=stem).values_list("slug", flat=True)}
    return next(free for n in range(1, len(taken) + 2) if (free := stem if n == 1 else f"{stem}_{n}") not in taken)
