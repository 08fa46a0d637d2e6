"""What knows no marketing word: users, jobs, audit, settings, list pages.

About: the tools every room of the house needs and none may write twice.
Nouns: User, Team, Setting, Job, Tick, Hint, Heartbeat, AuditEntry, Notice, Task, Note.
Read first: models.py, registry.py, sql.py.
May import: nothing of ours.
Not here: anything about people or stages (audience, lifecycle).
"""
