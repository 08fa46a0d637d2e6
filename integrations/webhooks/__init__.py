"""Webhooks: other systems are told what happened, by the Standard Webhooks scheme.

events.py      what can be told, and how each is written
signing.py     secrets and signatures
keeping.py     webhooks themselves: add, change, pause, rotate, remove, try out, send again
noting.py      what happened becomes deliveries, one for each webhook that wants it
delivering.py  deliveries are sent, tried again, given up
"""
