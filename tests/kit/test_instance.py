"""The live copy: a database belongs to whoever ran it first, and any other copy holds until somebody says otherwise."""

import pytest

from kit import instance
from kit.models import AuditEntry, Setting, User
from kit.sql import sql, value
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def fenced() -> bool:
    return bool(value(sql("SELECT {}", instance.fence())))


def test_a_new_database_belongs_to_whoever_runs_it_first(settings):
    assert instance.is_live() and fenced()
    settings.INSTALLATION_ID = "another"
    assert not instance.is_live() and not fenced()


def test_a_database_that_nobody_has_asked_about_is_not_passed_by_the_fence():
    assert not fenced()


def test_a_restored_dump_holds_and_says_what_differs():
    assert instance.is_live()
    restored = Setting.objects.get(key=instance.KEY)
    restored.value |= {"place": "7312345678901234567/16384"}
    restored.save()
    assert not fenced()
    found = instance.mismatch()
    assert found and found.place and not found.host
    assert "restored" in str(found)


def test_a_cloned_machine_holds(settings, tmp_path, monkeypatch):
    machine = tmp_path / "machine-id"
    monkeypatch.setattr(instance, "MACHINE", machine)
    settings.INSTALLATION_ID = ""
    machine.write_text("one")
    assert instance.is_live()
    machine.write_text("its clone")
    assert not instance.is_live()
    assert "machine" in str(instance.mismatch())


def test_an_id_from_the_environment_is_the_same_on_every_machine(settings, tmp_path, monkeypatch):
    settings.INSTALLATION_ID = "shop-eu"
    assert instance.is_live()
    monkeypatch.setattr(instance, "MACHINE", tmp_path / "another")
    assert instance.is_live()


def test_once_somebody_says_so_this_copy_is_live_and_the_audit_tells(settings):
    ada = User.objects.create_user("ada@example.com")
    assert instance.is_live()
    settings.INSTALLATION_ID = "another"
    instance.confirm(by=ada, now=NOW)
    assert instance.is_live() and fenced()
    entry = AuditEntry.objects.get(action="instance.confirm")
    assert entry.user == ada and entry.after["host"] == "another"
