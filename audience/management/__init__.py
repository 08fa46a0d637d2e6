"""Commands of the audience."""
