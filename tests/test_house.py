"""The laws of the house that no linter knows: names, first sentences, holders, floors in strings and templates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model, UniqueConstraint

from audience.merging import rows as merge_rows
from kit.registry import MOVES, registry
from kit.sql import Sql, rows, sql

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "kit": 0,
    "audience": 1,
    "scoring": 2,
    "lifecycle": 2,
    "campaigns": 3,
    "reporting": 4,
    "integrations": 4,
    "demo": 5,
}
APPS = [name for name in FLOORS if (ROOT / name).is_dir()]
SUBJECTS = {"audience.Person", "audience.Account"}
REFUSED = {"utils", "helpers", "common", "core", "services", "managers", "signals", "constants"}


def above(app: str) -> list[str]:
    """The apps that this one may not know: those of higher floors, and its neighbours on its own."""
    return [other for other in FLOORS if other != app and FLOORS[other] >= FLOORS[app]]


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def models() -> list[type[Model]]:
    return [model for app in APPS for model in apps.get_app_config(app).get_models()]


def speaks_of_a_subject(model: type[Model]) -> bool:
    names = {field.attname for field in model._meta.concrete_fields}
    return "subject_id" in names or any(
        field.related_model is not None and field.related_model._meta.label in SUBJECTS
        for field in model._meta.concrete_fields
    )


def test_every_table_that_speaks_of_a_subject_has_a_holder() -> None:
    speaking = {model._meta.label for model in models() if speaks_of_a_subject(model)}
    assert speaking and speaking - set(registry.holders) - SUBJECTS == set()


def test_the_columns_that_erasure_empties_exist() -> None:
    for holder in registry.holders.values():
        for column in holder.personal:
            holder.model._meta.get_field(column)


@pytest.mark.django_db
def test_tables_without_a_subject_of_their_own_tell_whose_their_rows_are() -> None:
    told = {label: holder for label, holder in registry.holders.items() if holder.whose}
    assert {label for label, each in registry.holders.items() if not speaks_of_a_subject(each.model)} <= set(told)
    for holder in told.values():
        assert rows(sql("SELECT id, subject_id FROM ({}) whose WHERE id IS NULL", Sql(holder.whose))) == []


def test_every_table_that_knows_a_subject_once_says_what_a_merge_does_with_a_second_row() -> None:
    silent = []
    for link in (*merge_rows.links("person"), *merge_rows.links("account")):
        subject = {link.column, "subject_id", link.column.removesuffix("_id")}
        unique = [each for each in link.model._meta.constraints if isinstance(each, UniqueConstraint)]
        if any(subject & set(each.fields) for each in unique) and link.holder.merge == MOVES and not link.holder.same:
            silent.append(link.model._meta.label)
    assert silent == []


@pytest.mark.django_db
def test_a_merge_moves_every_column_that_the_database_knows_to_name_a_subject() -> None:
    found = rows(
        Sql(
            """SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text FROM pg_constraint c
               JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
               WHERE c.contype = 'f' AND c.confrelid IN ('audience_person'::regclass, 'audience_account'::regclass)"""
        )
    )
    for of in ("person", "account"):
        known = {(link.model._meta.db_table, link.column) for link in merge_rows.links(of)}
        assert {(table, column) for table, column, to in found if to == f"audience_{of}"} - known == set()


def test_no_room_has_a_name_that_says_nothing() -> None:
    named = [path for path in modules(*APPS, "config") if path.stem in REFUSED or path.parent.name in REFUSED]
    assert named == []


def test_every_file_opens_with_a_sentence() -> None:
    silent = []
    for path in modules(*APPS, "config", "tests", "bench", "faults", "smoke", "examples"):
        opening = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0]
        if not opening.rstrip().endswith((".", "!", "?", ":")) and path.read_text().strip():
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_every_app_says_what_it_is_about_and_what_belongs_elsewhere() -> None:
    for app in APPS:
        said = ast.get_docstring(ast.parse((ROOT / app / "__init__.py").read_text())) or ""
        for question in ("About:", "Nouns:", "Read first:", "May import:", "Not here:"):
            assert question in said, f"{app}/__init__.py does not answer “{question}”"


def test_every_model_says_what_one_row_is() -> None:
    silent = [model.__name__ for model in models() if "One row" not in (model.__doc__ or "")]
    assert silent == []


@pytest.mark.parametrize("app", APPS)
def test_no_string_names_a_floor_above(app: str) -> None:
    """Nobody gets round the import contracts by a name: no task, model, function or template of an app above."""
    higher = re.compile(rf"^({'|'.join(above(app)) or '(?!)'})[./][A-Za-z_./]+$", re.IGNORECASE)
    found = []
    for path in modules(app):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and higher.match(node.value):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.value!r}")
    assert found == []


@pytest.mark.parametrize("app", APPS)
def test_no_code_asks_for_what_it_may_not_import(app: str) -> None:
    """`get_model`, `import_string` and the like take any name, so nobody below config uses them."""
    round_about = {"get_model", "import_string", "import_module", "__import__"}
    found = []
    for path in modules(app):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            if name in round_about:
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} {name}")
    assert found == []


@pytest.mark.parametrize("app", APPS)
def test_no_template_includes_one_of_a_floor_above(app: str) -> None:
    higher = re.compile(rf"""{{%\s*(?:include|extends)\s+["']({"|".join(above(app)) or "(?!)"})/[^"']+""")
    found = []
    for path in sorted((ROOT / "templates" / app).rglob("*.*")):
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in higher.finditer(path.read_text())]
    assert found == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """No absolute path of a developer's machine in anything that is delivered."""
    home = re.compile(r"(/home/\w|/root/|/Users/\w)")
    kinds = {".py", ".md", ".html", ".css", ".js", ".toml", ".txt", ".yaml", ".sql"}
    found = []
    for folder in (*APPS, "config", "templates", "static", "docs", "bench", "faults", "examples", "bin", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in kinds and home.search(path.read_text()):
                found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_every_document_is_in_the_index_and_what_documents_name_is_there() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    documents = sorted((ROOT / "docs").glob("*.md"))
    assert [path.name for path in documents if path.name != "README.md" and f"]({path.name})" not in index] == []
    rooms = "|".join([*APPS, "config", "tests", "bench", "faults", "smoke", "examples", "bin", "docs"])
    for path in [ROOT / "README.md", *documents, *ROOT.glob("examples/*/README.md")]:
        text = path.read_text()
        links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
        assert [link for link in links if not (path.parent / link).exists()] == [], path.name
        named = re.findall(rf"`((?:{rooms})/[\w./-]*)`", text)
        assert [file for file in named if not (ROOT / file).exists()] == [], path.name
