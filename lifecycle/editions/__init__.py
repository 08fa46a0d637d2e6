"""Versions of a lifecycle: as documents, checked, compared, drawn, published, and taken over from one to the next."""
