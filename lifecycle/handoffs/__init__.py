"""Hand-offs to sales: made by movements, routed to somebody, answered, and followed by the clock.

offering.py   what a movement means for hand-offs, as part of the statement that writes it
routing.py    who gets one, by the rules of the lifecycle
answering.py  accept, reject, not now, pass on: the verbs of pages, API and link
turning.py    what happens by itself: routing, due, missed, back again, whoever is away
telling.py    notices about them, many at once in one
links.py      the link in a mail by which one is answered without signing in
wording.py    hand-offs in words
queue.py      which of them a user sees, and how they are listed
"""
