"""What the whole suite shares: settings for tests, what may be skipped, a browser that takes no error for granted."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from kit import jobs
from kit.models import Job
from tests import emptying, template

CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip

# Files that take a minute or more, the longest first: begun last, they would keep one process busy when all others are done.
LONG = [
    "tests/config/test_smoke.py", "tests/demo/test_company.py", "tests/faults/test_run.py", "tests/config/test_supervisor.py",
    "tests/integrations/test_schemathesis.py", "tests/browser/test_every_page.py", "tests/lifecycle/test_replay.py",
    "tests/lifecycle/test_live.py", "tests/browser/test_xeducation.py", "tests/sight/test_crawl.py", "tests/sight/test_matrix.py",
    "tests/lifecycle/test_ledger_machine.py", "tests/demo/test_loading.py", "tests/campaigns/test_smtp_crashes.py",
    "tests/config/test_embedded.py", "tests/lifecycle/test_engine.py", "tests/lifecycle/test_backtests.py",
    "tests/audience/importing/test_rollback.py", "tests/audience/conditions/test_properties.py",
]  # fmt: skip


def pytest_configure() -> None:
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.ALLOWED_HOSTS = ["*"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.auditing.every_change_is_written_down"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.CELERY_BROKER_URL = "memory://"
    settings.CELERY_BROKER_TRANSPORT = None
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    TransactionTestCase._fixture_teardown = emptying.emptied  # type: ignore[method-assign]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {file: place for place, file in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONG)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test whose tool is missing is skipped with the reason; where nothing may be missing (CI=true) it fails."""
    for name, missing in (("redis", _no_redis), ("browser", _no_browser)):
        if item.get_closest_marker(name) and (reason := missing()):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def _no_redis() -> str:
    url = os.environ.get("REDIS_URL")
    if not url:
        return "needs a Redis server: set REDIS_URL"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=2).ping()
    except redis.RedisError as error:
        return f"the Redis of REDIS_URL does not answer: {error}"
    return ""


def _no_browser() -> str:
    return "" if shutil.which("chromium") else "needs Chromium: no program `chromium` on the path"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, django_db_keepdb: bool, django_db_createdb: bool, django_db_blocker: Any
) -> None:
    """The database is a copy of one that is migrated already, unless the last run's is taken as it is."""
    if not django_db_keepdb or django_db_createdb:
        with django_db_blocker.unblock():
            connection.settings_dict["TEST"]["TEMPLATE"] = template.made()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database whose commits do not wait for the disk: no test takes the machine's power away, some kill processes.
    Its tables are counted by nobody but the product and `emptying`.

    It goes without a warning: sessions of processes that tests have killed may outlive them a while.
    """
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])} SET synchronous_commit = off"
            )
            cursor.execute(emptying.UNCOUNTED)
        emptying.clear_away()  # of a database that was kept
        connection.close()
    yield
    connection.close()  # a test that ended sessions may have ended this one
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(scope="module", autouse=True)
def dead_rows_go_with_their_file(django_db_blocker: Any) -> Iterator[None]:
    """A file's tests do not read through what those of the files before it have left."""
    yield
    if connection.connection and not connection.connection.closed:
        with django_db_blocker.unblock():
            emptying.clear_away()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a process."""
    from playwright.sync_api import sync_playwright

    # Playwright's loop runs in the test's thread, which Django would otherwise take for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        yield browser
        browser.close()


def is_complaint(said: Any) -> bool:
    """An error, but for that of suggestions which htmx gave up because the page was left.

    A request that failed says `htmx:responseError` or `htmx:sendError` as well.
    """
    given_up = said.text.startswith(("htmx:sendAbort", "htmx:afterRequest")) and "HTMLDataListElement" in said.text
    return said.type == "error" and not given_up


@pytest.fixture
def page(chromium: Any, live_server: Any) -> Iterator[Any]:
    """A fresh visitor's page on the live server. Whatever the browser complains about fails the test."""
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    visited, complaints = context.new_page(), []
    visited.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
    visited.on("pageerror", lambda error: complaints.append(str(error)))
    yield visited
    context.close()
    assert not complaints, "the browser's console says: " + "; ".join(complaints)


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    """Jobs are done while the test goes on, as a worker beside the web does them."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.1):
                for job_id in Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True):
                    jobs.run(job_id, timezone.now())
        finally:
            connection.close()

    thread = threading.Thread(target=work, name="worker", daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(timeout=30)
