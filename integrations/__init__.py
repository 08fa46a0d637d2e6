"""Other systems: the keys by which they ask, and what they are told.

About: keys of the REST API with their scopes; the feed of changes; webhooks.
Nouns: ApiKey, Webhook, WebhookDelivery; scope, cursor.
Read first: keys.py, feed.py, webhooks/.
May import: kit, audience, scoring, lifecycle, campaigns.
Not here: the resources themselves (each app's `api`), how requests are read and refused (kit.api).
"""
