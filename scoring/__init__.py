"""How ready they are: scoring models, their rules, and points whose every part can be seen.

About: numbered versions of rules with points, the scores that follow from them at any instant, and their explanation.
Nouns: ScoringModel, ScoringVersion, Rule, Score, ScoreChange; an entry is one line of an explanation; grade, limit.
Read first: models.py, rules.py (what a rule is worth), compiling.py (the one statement), running.py (full and live).
May import: kit, audience.
Not here: stages that a score leads to (lifecycle), the condition language (audience), reports (reporting).
"""
