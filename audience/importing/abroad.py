"""What German, French and Spanish files call the fields of people and accounts, and so how they most likely write.

They are compared without accents (`headers.fold`). The fields' own names, and what English files call them, stand with
each kind. A heading that would as likely be something else is in no list: “Estado” is a state, or how a lead stands.
"""

from __future__ import annotations

from collections.abc import Mapping

Headings = Mapping[str, tuple[str, ...]]

_PLACES: Headings = {
    "country": ("Land", "Staat", "Land/Region", "Herkunftsland", "Pays", "Pays/région", "País", "País/región"),
    "region": (
        "Bundesland", "Bundesland/Region", "Kanton", "Région", "Provincia", "Estado/región", "Comunidad autónoma",
    ),
    "city": (
        "Stadt", "Ort", "Wohnort", "Ortschaft", "Ville", "Localité", "Commune", "Ciudad", "Localidad", "Población",
        "Municipio",
    ),
}  # fmt: skip
_OWNER = (
    "Zuständig", "Zuständiger", "Verantwortlich", "Verantwortlicher", "Betreuer", "Kundenbetreuer", "Besitzer",
    "Propriétaire", "Responsable", "Propietario",
)  # fmt: skip
_CREATED = (
    "Erstellt am", "Erstellt", "Erstelldatum", "Erstellungsdatum", "Datum der Erstellung", "Angelegt am", "Angelegt",
    "Anlagedatum", "Anlegedatum", "Erfasst am", "Créé le", "Date de création", "Date d’ajout", "Ajouté le",
    "Creado el", "Creado", "Fecha de creación", "Fecha de alta",
)  # fmt: skip
_COMPANY = (
    "Firma", "Firmenname", "Name der Firma", "Unternehmen", "Unternehmensname", "Name des Unternehmens", "Société",
    "Nom de la société", "Entreprise", "Nom de l’entreprise", "Raison sociale", "Empresa", "Nombre de la empresa",
    "Compañía", "Razón social", "Organización",
)  # fmt: skip
_CUSTOMER_NUMBER = (
    "Kundennummer", "Kunden-Nr.", "Kundennr", "Kunden-ID", "Numéro de client", "N° client", "Identifiant",
    "Número de cliente", "N.º de cliente", "Identificador",
)  # fmt: skip

HEADINGS: Mapping[str, Headings] = {
    "people": {
        "external_id": (
            *_CUSTOMER_NUMBER, "Kontakt-ID", "Kontaktnummer", "Personen-ID", "ID contact", "ID du contact",
            "ID de contacto", "ID del contacto",
        ),
        "email": (
            "E-Mail-Adresse", "Mailadresse", "E-Mail geschäftlich", "E-Mail (geschäftlich)", "Adresse e-mail",
            "Adresse mail", "Courriel", "Adresse électronique", "Correo", "Correo electrónico",
            "Dirección de correo electrónico", "Dirección de correo",
        ),
        "first_name": ("Vorname", "Prénom", "Nombre", "Nombre de pila"),
        "last_name": ("Nachname", "Familienname", "Zuname", "Nom", "Nom de famille", "Apellido", "Apellidos"),
        "phone": (
            "Telefon", "Telefonnummer", "Telefon-Nr.", "Tel.", "Tel.-Nr.", "Rufnummer", "Telefon geschäftlich", "Handy",
            "Handynummer", "Mobil", "Mobiltelefon", "Mobilnummer", "Téléphone", "Numéro de téléphone",
            "Téléphone portable", "Téléphone mobile", "Portable", "Tél.", "Teléfono", "Número de teléfono",
            "Teléfono móvil", "Móvil", "Celular",
        ),
        "title": (
            "Stelle", "Stellenbezeichnung", "Berufsbezeichnung", "Funktion", "Jobtitel", "Fonction", "Poste",
            "Intitulé du poste", "Titre du poste", "Cargo", "Puesto", "Puesto de trabajo",
        ),
        "seniority": ("Hierarchieebene", "Karrierestufe", "Niveau hiérarchique", "Nivel jerárquico"),
        "language": (
            "Sprache", "Bevorzugte Sprache", "Korrespondenzsprache", "Langue", "Langue préférée", "Idioma",
            "Idioma preferido",
        ),
        "zone": ("Zeitzone", "Fuseau horaire", "Zona horaria", "Huso horario"),
        "source": (
            "Quelle", "Leadquelle", "Lead-Quelle", "Ursprüngliche Quelle", "Herkunft", "Origine", "Origine du lead",
            "Source du lead", "Origen", "Origen del lead", "Fuente",
        ),
        **_PLACES,
        "owner": (*_OWNER, "Kontaktinhaber", "Propriétaire du contact", "Propietario del contacto"),
        "first_seen": (
            *_CREATED, "Erstkontakt", "Anmeldedatum", "Registriert am", "Premier contact", "Date d’inscription",
            "Inscrit le", "Primer contacto", "Fecha de registro",
        ),
        "account_name": (*_COMPANY, "Arbeitgeber", "Employeur", "Empleador"),
        "account_domain": (
            "Webseite", "Internetseite", "Webadresse", "Firmendomain", "Site web", "Site internet", "Sitio web",
            "Página web",
        ),
        "account_role": ("Rolle", "Rôle", "Rol"),
    },
    "accounts": {
        "external_id": (
            *_CUSTOMER_NUMBER, "Firmen-ID", "Firmennummer", "Debitorennummer", "Unternehmens-ID", "ID société",
            "ID de l’entreprise", "ID de la empresa",
        ),
        "name": (*_COMPANY, "Nom", "Nombre"),
        "domain": (
            "Webseite", "Internetseite", "Internetadresse", "Webadresse", "Internet", "Homepage", "Domäne", "Site web",
            "Site internet", "Domaine", "Sitio web", "Página web", "Dominio",
        ),
        "industry": (
            "Branche", "Wirtschaftszweig", "Industrie", "Secteur", "Secteur d’activité", "Industria", "Ramo",
            "Sector de actividad",
        ),
        "employees": (
            "Mitarbeiter", "Mitarbeiterzahl", "Mitarbeiteranzahl", "Anzahl Mitarbeiter", "Anzahl der Mitarbeiter",
            "Mitarbeitende", "Anzahl Mitarbeitende", "Beschäftigte", "Effectif", "Effectifs", "Employés", "Salariés",
            "Nombre d’employés", "Nombre de salariés", "Empleados", "Número de empleados", "Plantilla",
        ),
        "annual_revenue": (
            "Umsatz", "Jahresumsatz", "Umsatz EUR", "Umsatz in EUR", "Umsatz in €", "Chiffre d’affaires",
            "Chiffre d’affaires annuel", "CA annuel", "Facturación", "Facturación anual", "Ingresos",
            "Ingresos anuales", "Volumen de negocio",
        ),
        "currency": ("Währung", "Devise", "Monnaie", "Moneda", "Divisa"),
        "ownership": ("Eigentumsform", "Besitzform"),
        **_PLACES,
        "parent": (
            "Muttergesellschaft", "Mutterunternehmen", "Konzern", "Société mère", "Maison mère", "Empresa matriz",
            "Matriz",
        ),
        "owner": (
            *_OWNER, "Unternehmensinhaber", "Propriétaire de l’entreprise", "Propietario de la empresa",
        ),
        "first_seen": _CREATED,
    },
}  # fmt: skip
# Headings that are no field of ours, and yet tell a file's language.
_OTHERS = (
    "Anrede", "Straße", "Hausnummer", "PLZ", "Postleitzahl", "Abteilung", "Geändert am", "Letzte Änderung",
    "Bemerkung", "Geburtsdatum", "Rue", "Adresse postale", "Code postal", "Civilité", "Département", "Modifié le",
    "Calle", "Dirección", "Código postal", "Departamento", "Modificado el", "Tratamiento",
)  # fmt: skip
# Words of English too, by which no language is told.
_ALSO_ENGLISH = (
    "Portable", "Internet", "Homepage", "Cargo", "Commune", "Land", "Rue", "Région", "Rôle", "Devise", "Matriz",
)  # fmt: skip
# What is no number although it looks like one: a zero in front of it means something.
CODES = (
    *HEADINGS["people"]["phone"], "Phone", "Phone number", "Mobile", "Mobile phone", "Fax", "Telefax", "Faxnummer",
    "PLZ", "Postleitzahl", "ZIP", "ZIP code", "Zipcode", "Postal code", "Postcode", "Post code", "Mailing zip",
    "Billing zip", "Mailing postal code", "Billing postal code", "Code postal", "CP", "Código postal",
)  # fmt: skip


def names(kind: str, field: str) -> tuple[str, ...]:
    """What a field of a kind of rows is called in these languages."""
    return HEADINGS.get(kind, {}).get(field, ())


def telling() -> tuple[str, ...]:
    """The headings by which a file is known to be in one of these languages."""
    told = {each for fields in HEADINGS.values() for names in fields.values() for each in names}
    return tuple((told | set(_OTHERS)) - set(_ALSO_ENGLISH))
