"""Held by every test of the suite: a request that changes something writes an entry of the trail.

A middleware, for tests alone: it looks at the statements of each request. So every test of a page is one of this law too,
and a new route is under it from its first test on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponseBase

WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE(?!\s+OF\b)|DELETE FROM|COPY)\s+\"?([a-z_]+)\"?(?![\w.\"])", re.IGNORECASE)
SAVEPOINT = re.compile(r"(ROLLBACK TO )?SAVEPOINT (\S+)")
TRAIL = "kit_auditentry"
# Rows that are there from the first look on: the channel as it is by default, to which copy the database belongs.
BY_ITSELF = re.compile(
    r"INSERT INTO \"campaigns_channelsetting\"|INSERT INTO kit_setting .* ON CONFLICT DO NOTHING"
    r'|UPDATE "integrations_apikey" SET "last_used_at"'
)
# What is no change of anything that somebody keeps: sessions, wake-up calls, counters of attempts, marks for the live
# engine, notes of when somebody was last here or what a list was last asked for, a file's name before its rows are
# imported (by a job, which is under the law), rows that were refused, and how often a form was looked at.
PASSING = {
    "django_session", "kit_hint", "kit_attempts", "kit_tick", "kit_heartbeat", "audience_changed", "kit_idempotencykey",
    "kit_notice", "audience_formday", "audience_refusedsubmission", "integrations_allowance", "audience_import", "audience_reject",
    "set",
}  # fmt: skip
# Pages for those who get messages, and what browsers of visitors tell. Their ledger is the trail: each row says by whom, when and how, and is append-only.
OF_READERS = {"page_views", "unsubscribe", "preferences", "message_click", "message_picture"}


class Unwritten(AssertionError):
    """A request changed something, and the trail does not know of it."""


def every_change_is_written_down(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the innermost. Raises Unwritten, which fails the test whose request it was."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
            return get_response(request)
        touched: set[str] = set()
        before: dict[str, set[str]] = {}  # by savepoint

        def watch(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
            result = execute(sql, params, many, context)
            if saved := SAVEPOINT.match(str(sql)):
                if saved[1]:  # what was written since is taken back
                    touched.intersection_update(before[saved[2]])
                else:
                    before[saved[2]] = set(touched)
            elif context["cursor"].rowcount and not BY_ITSELF.search(str(sql)):
                touched.update(table.lower() for table in WRITES.findall(str(sql)))
            return result

        with connection.execute_wrapper(watch):
            response = get_response(request)
        changed = touched - PASSING - {TRAIL}
        route = request.resolver_match.url_name if request.resolver_match else ""
        done = response.status_code < 400  # what was refused may have made a row of defaults, and nothing else
        if done and changed and TRAIL not in touched and route not in OF_READERS:
            tables = ", ".join(sorted(changed))
            raise Unwritten(f"{request.method} {request.path} ({route}) changed {tables} without an entry")
        return response

    return answer
