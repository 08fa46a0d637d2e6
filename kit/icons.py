"""Icons as inline SVG from the Lucide set, drawn once per process."""

from __future__ import annotations

import functools
from importlib import resources
from io import BytesIO
from xml.etree import ElementTree
from zipfile import ZipFile

from django.utils.safestring import SafeString, mark_safe
from lucide import IconDoesNotExist

NAMESPACE = "{http://www.w3.org/2000/svg}"


@functools.lru_cache(maxsize=1024)
def draw(name: str, size: str = "", label: str = "") -> SafeString:
    """The icon called `name`, taking the colour of its text; decoration unless it has a `label`.

    `size` is "", "small" or "large"; "spin" turns it. Raises lucide.IconDoesNotExist for an unknown name.
    """
    svg = _drawing(name)
    svg.attrib["class"] = "icon" + "".join(f" icon--{word}" for word in size.split())
    svg.attrib |= {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    # ElementTree escapes the values of attributes.
    return mark_safe("".join(line.strip() for line in ElementTree.tostring(svg, encoding="unicode").splitlines()))


def _drawing(name: str) -> ElementTree.Element:
    try:
        svg = ElementTree.fromstring(_set().read(f"{name}.svg"))
    except KeyError:
        raise IconDoesNotExist(f"The icon {name!r} does not exist.") from None
    for node in svg.iter():
        node.tag = node.tag.removeprefix(NAMESPACE)
    return svg


@functools.cache
def _set() -> ZipFile:
    """The package's archive, opened once: it reads the list of some 1,700 icons anew for each that is drawn. In memory,
    as processes that are forked would share the place in a file."""
    return ZipFile(BytesIO((resources.files("lucide") / "lucide.zip").read_bytes()))
