"""Leases and heartbeats, on the database's clock alone, so that machines with different clocks agree on them."""

from datetime import timedelta

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Func, Q, Value

CLOCK = Func(function="clock_timestamp", output_field=DateTimeField())


def until(length: timedelta) -> ExpressionWrapper:
    """The instant `length` from now, as an expression for an UPDATE or INSERT."""
    return ExpressionWrapper(CLOCK + Value(length, output_field=DurationField()), output_field=DateTimeField())


def free(column: str = "lease_until") -> Q:
    """True for rows that nobody holds: never leased, or the lease is over."""
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__lt": CLOCK})


def coalesced(column: str) -> Func:
    """The column, or the database's clock where it is still empty."""
    return Func(F(column), CLOCK, function="coalesce", output_field=DateTimeField())
