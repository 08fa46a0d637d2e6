"""Pages of integrations: keys, and the reference of what can be asked with them."""
