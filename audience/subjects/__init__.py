"""People and accounts: how they come into being, change, are found, shown, owned, left out and forgotten."""
