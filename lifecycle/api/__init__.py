"""Lifecycles over the API: models of stages with their versions, who is where, and the ledger of moves."""
