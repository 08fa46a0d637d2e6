"""A made-up file of people, the same for the same number: realistic lengths, a few hundred titles, dates of three years."""

from __future__ import annotations

import random
import tempfile
from datetime import date, timedelta
from pathlib import Path

HEADER = "email,first name,last name,phone,title,country,city,language,source,first seen"
COLUMNS = (
    "email", "first_name", "last_name", "phone", "title", "country", "city", "language", "source", "first_seen_at",
)  # fmt: skip
LEVELS = ("", "Senior ", "Head of ", "VP ", "Director ", "Junior ", "Chief ")
WORK = (
    "Marketing", "Sales", "Operations", "Finance", "Engineering", "Product", "Human Resources", "Procurement", "Legal",
    "IT", "Customer Success", "Logistics",
)  # fmt: skip
ROLES = ("Manager", "Officer", "Specialist", "Analyst", "Engineer", "Assistant")
FIRST = ("Amara", "Jonas", "Mei", "Diego", "Aisha", "Lucas", "Sofia", "Noah", "Yuki", "Priya", "Oskar", "Zoë")
LAST = ("Okafor", "Lindqvist", "Chen", "Fernández", "Khan", "Müller", "Rossi", "Silva", "Tanaka", "Patel", "Novak")
PLACES = (
    ("DE", "Berlin", "de"),
    ("FR", "Paris", "fr"),
    ("US", "New York", "en"),
    ("BR", "São Paulo", "pt"),
    ("", "", ""),
)
SOURCES = ("organic_search", "paid_search", "social", "email", "referral", "")


def write(number: int, *, changed: float = 0.0) -> Path:
    """The file of so many people; a share of them with another title and phone than in the file without changes."""
    path = Path(tempfile.mkdtemp()) / f"people-{number}-{changed}.csv"
    dice = random.Random(42)
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for n in range(number):
            first, last = dice.choice(FIRST), dice.choice(LAST)
            title = f"{dice.choice(LEVELS)}{dice.choice(WORK)} {dice.choice(ROLES)}"
            country, city, language = dice.choice(PLACES)
            seen = date(2023, 1, 1) + timedelta(days=dice.randrange(1000))
            phone = f"+49 30 {dice.randrange(10**7):07d}"
            if changed and n % round(1 / changed) == 0:
                title, phone = f"{title} EMEA", phone[::-1]
            email = f"{first}.{last}.{n}@example-{n % 5000}.com".encode("ascii", "ignore").decode().lower()
            row = (email, first, last, phone, title, country, city, language, dice.choice(SOURCES), seen.isoformat())
            file.write(",".join(row) + "\n")
    return path
