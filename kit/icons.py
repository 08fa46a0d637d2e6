"""Icons as inline SVG from the Lucide set, drawn once per process."""

from __future__ import annotations

import functools

from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide


@functools.lru_cache(maxsize=1024)
def draw(name: str, size: str = "", label: str = "") -> SafeString:
    """The icon called `name`, taking the colour of its text; decoration unless it has a `label`.

    `size` is "", "small" or "large"; "spin" turns it. Raises lucide.IconDoesNotExist for an unknown name.
    """
    classes = "icon" + "".join(f" icon--{word}" for word in size.split())
    attributes = {"class": classes}
    if label:
        attributes |= {"role": "img", "aria_label": label}
    else:
        attributes |= {"aria_hidden": "true"}
    # The package serialises with ElementTree, which escapes attribute values.
    return mark_safe("".join(line.strip() for line in lucide(name, size=None, **attributes).splitlines()))
