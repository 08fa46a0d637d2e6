"""The demo company: Marlow Creek Instruments, a fictional maker of connected water-quality sensors, two years of it.

About: a seeded company whose every figure is known beforehand, brought in by the product's own imports and rules.
Nouns: Calendar, Company, Firm, Contact, Act, Sale; histories are files in the data folder before they are rows.
Read first: company.py (who exists), net_new.py (what became of them), loading.py (the steps).
May import: everything but config; nobody imports it.
Not here: anything that an installation without the demo needs.
"""
