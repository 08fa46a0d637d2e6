"""Reports over the API: the figures of the pages, each with its base, its definition and the people behind it."""
