"""Sealed secrets: readable with the installation's own secret, new or old, and with nothing else."""

import pytest

from kit import secrets


def test_a_secret_comes_back_and_does_not_stand_in_what_is_kept():
    sealed = secrets.seal("correct horse")
    assert "horse" not in sealed and secrets.opened(sealed) == "correct horse"
    assert secrets.seal("correct horse") != sealed, "the same secret never looks the same"


def test_no_secret_is_no_secret():
    assert secrets.seal("") == "" and secrets.opened("") == ""


def test_what_was_sealed_before_the_installations_secret_changed_still_opens(settings):
    settings.SECRET_KEY = "old"
    sealed = secrets.seal("x")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    assert secrets.opened(sealed) == "x"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(secrets.Unreadable):
        secrets.opened(sealed)


def test_what_was_tampered_with_does_not_open():
    with pytest.raises(secrets.Unreadable):
        secrets.opened(secrets.seal("x")[:-4] + "AAA=")
