"""Template words of the audience."""
