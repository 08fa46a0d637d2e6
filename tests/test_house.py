"""What holds for the house as a whole: every table that speaks of a subject is known, every file says what it is."""

import ast
from pathlib import Path

from django.apps import apps

from kit.registry import registry

ROOT = Path(__file__).resolve().parent.parent
APPS = ("kit", "audience", "lifecycle", "reporting")
RESERVED = {"utils", "helpers", "common", "core", "services", "managers", "signals", "constants"}
SUBJECTS = {"audience.Person", "audience.Account"}


def speaks_of_a_subject(model):
    names = {field.attname for field in model._meta.concrete_fields}
    return "subject_id" in names or any(
        field.related_model is not None and field.related_model._meta.label in SUBJECTS
        for field in model._meta.concrete_fields
    )


def test_every_table_with_a_subject_has_a_holder():
    models = [model for name in APPS for model in apps.get_app_config(name).get_models()]
    missing = [model._meta.label for model in models if speaks_of_a_subject(model)]
    assert set(missing) - set(registry.holders) - SUBJECTS == set()


def test_the_columns_that_erasure_empties_exist():
    for holder in registry.holders.values():
        for column in holder.personal:
            holder.model._meta.get_field(column)


def modules():
    return [path for name in (*APPS, "config") for path in (ROOT / name).rglob("*.py") if path.stat().st_size]


def test_every_file_opens_with_a_sentence():
    silent = [str(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_no_room_is_called_by_a_word_that_says_nothing():
    assert [str(path) for path in modules() if path.stem in RESERVED] == []


def test_the_five_questions_are_answered_by_every_app():
    for name in APPS:
        told = ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text()))
        assert all(word in told for word in ("About:", "Nouns:", "Read first:", "May import:", "Not here:")), name


def test_templates_of_a_lower_floor_include_nothing_of_a_higher_one():
    floors = {"kit": 0, "components": 0, "audience": 1, "lifecycle": 2, "reporting": 3}
    wrong = []
    for path in (ROOT / "templates").rglob("*.html"):
        own = floors.get(path.relative_to(ROOT / "templates").parts[0], 0)
        for line in path.read_text().splitlines():
            for app, floor in floors.items():
                if floor > own and (f'include "{app}/' in line or f'extends "{app}/' in line):
                    wrong.append(f"{path}: {line.strip()}")
    assert wrong == []
