"""The condition language: typed questions about people and accounts, answered as of any instant by one statement.

Read first: tree.py (what a condition may look like), registry.py (what it may ask), compile.py (how it is answered);
then moment.py, columns.py and scan.py (the pieces of the statement), describe.py and explain.py.
"""
