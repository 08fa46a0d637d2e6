"""Every operation of the REST API, found in its router: method, address, and what answers it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from config.api import router
from kit.api.views import Resource

PREFIX = "/api/v1/"
WRITING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """One operation; `address` has the names of its parts in braces, as in `jobs/{pk}/cancel/`."""

    method: str
    address: str
    action: str
    resource: type[Resource]
    bodiless: bool

    def __str__(self) -> str:
        return f"{self.method} {self.address}"

    @property
    def is_of_one(self) -> bool:
        return "{" in self.address

    def at(self, parts: dict[str, Any]) -> str:
        """The address with its parts filled in."""
        return PREFIX + self.address.format(**parts)


def every() -> Iterator[Route]:
    """All operations, in the order of their addresses."""
    for pattern in router.urls:
        address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(pattern.pattern))
        callback: Any = pattern.callback
        for method, action in sorted(callback.actions.items()):
            bodiless = bool(callback.initkwargs.get("bodiless"))
            if method == "head":
                continue  # DRF adds it to a view that was asked once
            yield Route(method.upper(), address, action, callback.cls, bodiless)
