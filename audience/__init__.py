"""Who they are and what they did; and the condition language.

About: people and accounts, their fields with history, activities, deals, purchases; questions about all of it.
Nouns: Person, Account, Identity, Field, FieldChange, Activity, Deal, Product, Purchase, Contract, Case, Import,
  Duplicate, Merge, Form, Submission, Visitor.
Read first: models/people.py, subjects/people.py, activity/activities.py, conditions/__init__.py, importing/__init__.py.
May import: kit.
Not here: stages (lifecycle), points (scoring), what we say to them (campaigns).
"""
