"""Forms on the web: what they ask, how they are published, what becomes of what a stranger sends.

`asking` is what an edition says, `editing` changes and publishes it, `filling` reads what was typed, `submitting` makes
a person, an activity and consent of it, `files` hands out what was promised, `counting` says how a form does.
"""
