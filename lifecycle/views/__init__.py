"""Pages of lifecycles."""
