"""Who belongs to whom: people to accounts in roles, accounts to families and domains, and what they have bought."""
