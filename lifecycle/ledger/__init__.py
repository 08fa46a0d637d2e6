"""The ledger of movements: its only writer, moves in bulk and from files, undo, merges, and any past instant."""
