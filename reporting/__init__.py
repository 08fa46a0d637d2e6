"""What is told: roll-ups of the ledger, and the numbers that pages show.

About: filled tables per day, one metric per file, funnel pages; every number opens to its people.
Nouns: DailyFlow, StageEntry, Fill; metric, balance, flow, conversion, velocity.
Read first: filling.py, metrics/__init__.py.
May import: kit, audience, scoring, lifecycle, campaigns.
Not here: moving anybody (lifecycle), the API's keys and webhooks (integrations).
"""
