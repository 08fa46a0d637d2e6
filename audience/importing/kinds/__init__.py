"""The kinds of rows that files can bring to this floor, each in a file of its own."""
