"""Pages of people, accounts and imports."""
