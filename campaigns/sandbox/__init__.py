"""What runs in a process of its own, with hardly any rights: compiling and filling in what users wrote.

Nothing here knows Django, settings or the database; it is started with an empty environment and gets what it needs
through its standard input. `confined` has the limits and the frames in which both sides speak, `compiling` the one-shot
program that makes a version out of a source, `working` the one that fills in batches. The other side is
`campaigns.rendering`.
"""
