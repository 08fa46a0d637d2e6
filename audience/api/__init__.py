"""The audience over the REST API: who they are, what they did and bought, who belongs together.

Read first: subjects.py (what people and accounts have in common), people.py. A file for each noun, thin as the pages
beside it in `views/`, and calling the same verbs; whom a key sees is what its user sees (`sight`).
"""
