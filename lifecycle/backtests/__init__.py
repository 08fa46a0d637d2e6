"""A version of a lifecycle tried on the past, beside the live one or nothing, before anybody is moved by it.

About: who would have come to which stage when, what that would have been worth, and where a limit is best put.
Read first: asking.py (what is asked for), working.py (the job), judging.py (the figures), sweeping.py (many limits).
"""

from lifecycle.backtests.asking import MOST_DAYS, Asked, BacktestRefused, ask, changed_since, remove, take
from lifecycle.backtests.working import KIND, forget, tidy, work

__all__ = [
    "KIND",
    "MOST_DAYS",
    "Asked",
    "BacktestRefused",
    "ask",
    "changed_since",
    "forget",
    "remove",
    "take",
    "tidy",
    "work",
]
