"""Files whose headings are German, French or Spanish, with days first and commas in numbers."""

from __future__ import annotations

import pytest

from audience import importing
from audience.importing import headers
from audience.models import Account, Field, Person
from tests.audience.importing.bringing import bring, counts, rejects

pytestmark = pytest.mark.django_db

PEOPLE = """Kunden-Nr.;Anrede;Vorname;Nachname;E-Mail;Firma;Webseite;Position;Abteilung;Straße;PLZ;Ort;Land;Telefon;Handy;Sprache;Erstellt am;Geändert am;Verantwortlicher
K-7;Frau;Jördis;Weiß;joerdis@moebel.example;Möbel Süd GmbH;www.moebel.example;Einkaufsleiterin;Einkauf;Am Wall 3;01067;Dresden;Deutschland;0351 123456;0170 123456;de;05.03.2024;07.04.2025;
K-8;Herr;Ulf;Öztürk;ulf@pumpen.example;Pumpen Öztürk KG;pumpen.example;Geschäftsführer;Leitung;Hafen 1;20457;Hamburg;Deutschland;040 998877;0171 998877;de;11.12.2023;08.04.2025;
"""
ACCOUNTS = """Firma;Internetadresse;Branche;Mitarbeiter;Jahresumsatz;Währung;Straße;PLZ;Stadt;Bundesland;Land;Muttergesellschaft;Angelegt am
Möbel Süd GmbH;moebel.example;Möbel;1.250;12.345.678,90;EUR;Am Wall 3;01067;Dresden;Sachsen;Deutschland;Pumpen Öztürk KG;05.03.2024
Pumpen Öztürk KG;pumpen.example;Maschinenbau;85;987.654,50;EUR;Hafen 1;20457;Hamburg;Hamburg;Deutschland;;11.12.2023
"""


def guess(kind: str, text: str) -> headers.Guess:
    header, *rows = [line.split(";") for line in text.strip().splitlines()]
    return headers.guess(importing.kind_of(kind), header, rows)


def test_german_people_come_in_by_what_is_guessed_with_days_first_and_codes_as_they_stand():
    found = guess("people", PEOPLE)
    assert found.mapping == {
        "Kunden-Nr.": "external_id", "Vorname": "first_name", "Nachname": "last_name", "E-Mail": "email",
        "Firma": "account_name", "Webseite": "account_domain", "Position": "title", "Ort": "city", "Land": "country",
        "Telefon": "phone", "Sprache": "language", "Erstellt am": "first_seen", "Verantwortlicher": "owner",
    }  # fmt: skip
    assert found.unknown == ["Anrede", "Abteilung", "Straße", "PLZ", "Handy", "Geändert am"]
    types = {column.name: column.custom_type for column in found.columns if not column.guess}
    assert types == {
        "Anrede": "text", "Abteilung": "text", "Straße": "text", "PLZ": "text", "Handy": "text", "Geändert am": "date",
    }  # fmt: skip
    more = {"PLZ": "custom.plz", "Geändert am": "custom.changed"}
    imported = bring(PEOPLE, mapping=found.mapping | more)
    assert (counts(imported)["created"], rejects(imported)) == (2, [])
    one = Person.objects.get(email="joerdis@moebel.example")
    assert (one.first_name, one.last_name, one.city, one.country) == ("Jördis", "Weiß", "Dresden", "Deutschland")
    assert one.first_seen_at.date().isoformat() == "2024-03-05", "the 5th of March, not the 3rd of May"
    assert one.custom == {"plz": "01067", "changed": "2025-04-07"}
    assert one.account.name == "Möbel Süd GmbH"


def test_german_accounts_come_in_with_commas_in_their_numbers():
    imported = bring(ACCOUNTS, "accounts")
    assert (counts(imported)["created"] >= 2, rejects(imported)) == (True, [])
    one = Account.objects.get(name="Möbel Süd GmbH")
    assert (one.domain, one.industry, one.employees) == ("moebel.example", "Möbel", 1250)
    assert (one.annual_revenue, one.currency) == (12_345_678_90, "EUR")
    assert (one.city, one.region, one.country, one.parent.name) == (
        "Dresden", "Sachsen", "Deutschland", "Pumpen Öztürk KG",
    )  # fmt: skip
    assert one.first_seen_at.date().isoformat() == "2024-03-05"


@pytest.mark.parametrize(
    "heads",
    [
        "Prénom;Nom;Adresse e-mail;Société;Intitulé du poste;Téléphone;Ville;Pays;Créé le;Langue",
        "PRENOM;NOM;ADRESSE E-MAIL;SOCIETE;INTITULE DU POSTE;TELEPHONE;VILLE;PAYS;CREE LE;LANGUE",
        "Nombre;Apellidos;Correo electrónico;Empresa;Cargo;Teléfono;Ciudad;País;Creado el;Idioma",
        "Vorname;Familienname;E-Mail-Adresse;Unternehmen;Stellenbezeichnung;Mobil;Stadt;Land;Erfasst am;Sprache",
    ],
)
def test_people_in_each_language_with_and_without_accents(heads):
    row = "Ana;Blanc;ana@x.example;Acme;CEO;0612;Lyon;FR;03/04/2024;fr"
    assert list(guess("people", f"{heads}\n{row}").mapping.values()) == [
        "first_name", "last_name", "email", "account_name", "title", "phone", "city", "country", "first_seen",
        "language",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "heads",
    [
        "Raison sociale;Site web;Secteur d’activité;Nombre de salariés;Chiffre d'affaires;Devise;Ville;Pays;Date de création",
        "Razón social;Página web;Sector de actividad;Número de empleados;Facturación;Moneda;Ciudad;País;Fecha de creación",
        "Firmenname;Webseite;Branche;Mitarbeiterzahl;Umsatz in EUR;Waehrung;Ort;Land;Erstelldatum",
    ],
)
def test_accounts_in_each_language(heads):
    row = "Acme;acme.example;Holz;1.250;1.234.567,5;EUR;Lyon;FR;03/04/2024"
    found = guess("accounts", f"{heads}\n{row}")
    assert list(found.mapping.values()) == [
        "name", "domain", "industry", "employees", "annual_revenue", "currency", "city", "country", "first_seen",
    ]  # fmt: skip


def test_where_nothing_tells_the_headings_do_and_it_is_asked_all_the_same():
    imported = bring(
        "Firma;Mitarbeiter;Erstellt am;Land\nAcme;1.250;03/04/2024;DE\n", "accounts", mapping=None, name="Firmen.csv"
    )
    one = Account.objects.get(name="Acme")
    assert (one.employees, one.first_seen_at.date().isoformat()) == (1250, "2024-04-03"), rejects(imported)
    found = guess("accounts", "Firma;Mitarbeiter;Erstellt am\nAcme;1.250;03/04/2024")
    assert len(found.notes) == 2, "day or month, thousand or fraction"
    english = guess("accounts", "Company;Employees;Created at\nAcme;1.250;03/04/2024")
    assert [column.order for column in english.columns] == ["", "", "mdy"]
    one_word = guess("accounts", "Company;Branche;Created at\nAcme;Wood;03/04/2024")
    assert [column.order for column in one_word.columns] == ["", "", "mdy"], "one word is not a language"


def test_what_a_file_has_is_found_out_from_german_headings_too():
    for text, called, kind in ((PEOPLE, "Export.csv", "people"), (ACCOUNTS, "Export.csv", "accounts")):
        header, *rows = [line.split(";") for line in text.strip().splitlines()]
        assert headers.likely_kind(header, rows, called) == kind
    assert not Field.objects.exists(), "looking makes nothing"
