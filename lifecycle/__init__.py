"""Where they are: lifecycles, their versions and stages, and the ledger of movements.

About: models of stages, the rules that move subjects, and the append-only ledger of every move.
Nouns: Lifecycle, Version, Stage, Transition, Membership, Movement; playbooks are ready-made lifecycles; Backtest,
  Handoff, Programme, Application.
Read first: models/ledger.py, ledger/stages.py (the only writer of movements), engine/passes.py (what rules
  do at an instant), engine/replay.py.
Rooms: ledger, engine (what moves by itself), editions (versions), editing (drafts in the browser), backtests (a draft
  on the past), handoffs (to sales), partners.
May import: kit, audience.
Not here: scores (scoring), reports over movements (reporting).
"""
