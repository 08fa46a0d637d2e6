"""Lines of the log: what they go back to, and what they never tell."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from kit import logs, origin

KEY = "qL8xVt2mZp4WcR6yNb0sHd3kGf5jTa7eUi9oPq1wXz"


def record(message: str, *args: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    told = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("kit.sample", logging.INFO, __file__, 1, message, args, told)
    made.__dict__.update(extra)
    logs.Origin().filter(made)
    return made


def as_json(*args: object, **given: object) -> dict:
    line = logs.Json(secrets=["a well-kept secret"]).format(record(*args, **given))  # type: ignore[arg-type]
    assert "\n" not in line and line.isascii()
    return json.loads(line)


def as_line(*args: object, **given: object) -> str:
    return logs.Lines(secrets=["a well-kept secret"]).format(record(*args, **given))  # type: ignore[arg-type]


def test_a_line_tells_its_request_and_its_job() -> None:
    with origin.following("abcdefgh-1", job=7):
        told = as_json("it %s", "began", rows=3)
        assert (told["request_id"], told["job_id"], told["message"], told["rows"]) == ("abcdefgh-1", 7, "it began", 3)
        assert told["level"] == "INFO" and told["logger"] == "kit.sample" and told["time"].endswith("+00:00")
        assert as_line("it began").endswith("it began [request=abcdefgh-1 job=7]")
    assert "request_id" not in as_json("it began")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("mail to ada.lind+x@marlowcreek.example bounced", "mail to …@marlowcreek.example bounced"),
        ("Key (email)=(ada@x.example) exists", "Key (email)=(…@x.example) exists"),
        ("ünïcode@bücher.example", "…@bücher.example"),
        ("postgres://app:hunter22@db:5432/perennial", "postgres://app:[secret]@db:5432/perennial"),
        ("password=hunter22 next", "password=[secret] next"),
        ('{"token": "abc"}', '{"token": [secret]"}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: [secret]"),
        ("got Bearer abcdefgh.ijk", "got Bearer [secret]"),
        (f"/u/{KEY}1/topics", "/u/[secret]/topics"),
        ("it was a well-kept secret all along", "it was [secret] all along"),
        ("job 15 of kind import took 3.5 s", "job 15 of kind import took 3.5 s"),
        ("test_a_name_of_a_function_may_be_as_long_as_it_wants_to_be", None),
    ],
)
def test_secrets_and_addresses_of_people_are_struck_out_of_either(said: str, kept: str | None) -> None:
    kept = said if kept is None else kept
    assert as_json(said)["message"] == kept
    assert as_json("x", what={"deep": [said]})["what"]["deep"] == [kept]
    assert as_line(said).endswith(f": {kept}")


def test_a_traceback_is_kept_without_them() -> None:
    try:
        raise ValueError("no such reader: ada@x.example")
    except ValueError as error:
        told, line = as_json("it failed", error=error), as_line("it failed", error=error)
    assert "…@x.example" in told["exception"] and "test_logs.py" in told["exception"]
    assert "ada@" not in told["exception"] and "ada@" not in line


def test_a_field_that_is_called_a_secret_is_none() -> None:
    assert as_json("x", given={"password": "short", "user": 4})["given"] == {"password": "[secret]", "user": 4}


def test_what_somebody_typed_begins_no_line_of_its_own() -> None:
    typed = "x\n2025-01-01 00:00:00 INFO kit.jobs: all is well\r\x1b[2J\u2028\x85"
    try:
        raise ValueError(typed)
    except ValueError as error:
        line = as_line("%s", typed, error=error)
    first, *rest = line.splitlines()
    assert "\\n2025" in first and "\x1b" not in first and "\u2028" not in first
    assert rest and all(each.startswith("  ") for each in rest)
    assert as_json("%s", typed)["message"] == typed


def test_whole_requests_and_arguments_are_not_told() -> None:
    assert not {"request", "data"} & set(as_json("x", request="<GET /people/?q=lind>", data={"args": [1]}))


@pytest.mark.parametrize(
    "text", ["a" * 2_000_000, "a@" * 500_000, "://" * 300_000, "-1Aa" * 300_000, "token" * 200_000]
)
def test_a_long_text_is_cut_and_costs_no_more_than_its_length(text: str) -> None:
    began = time.perf_counter()
    assert len(as_line(text)) < logs.LONGEST + 200
    assert time.perf_counter() - began < 5


def test_what_cannot_be_written_as_json_is_written_as_text() -> None:
    assert as_json("x", odd=sys)["odd"].startswith("<module")
