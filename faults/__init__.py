"""Does delivery keep its promise when everything breaks? A mail server that fails on purpose, a nemesis, a checker."""
