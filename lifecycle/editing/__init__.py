"""Editing a draft in the browser: its stages, rules, cards and test cases, one part at a time.

Read first: drafts.py (the one way a draft changes), parts.py (what may be done with a document).
The document is what `documents.of_version` tells of a draft; every change is made to it, checked as a whole like a file
that somebody brings, and written back in one transaction.
"""
