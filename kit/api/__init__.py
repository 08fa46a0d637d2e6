"""What every part of the REST API stands on: strict decoding, problem details, scopes, pages, ETags, idempotency.

An app writes its resources in `api.py` (or a folder of that name) as subclasses of `views.Resource`, thin as its pages,
calling the same verbs; `config/api.py` gives them addresses.
"""
