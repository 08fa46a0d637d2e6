"""ETags: what a thing looked like when it was read, so that nobody overwrites what they have not seen.

Some of what is shown of a thing follows from it by itself: a person's scores and stages are judged seconds after a
write. Of the tag's two halves If-Match looks at the first alone, what is kept of the thing itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from kit.api.problems import Problem


def of(representation: Mapping[str, Any], follows: Collection[str] = ()) -> str:
    """A strong ETag: a digest of the representation, one of what is kept and one of the members that follow from it."""
    itself = {name: value for name, value in representation.items() if name not in follows}
    rest = {name: value for name, value in representation.items() if name in follows}
    return f'"{_digest(itself)}-{_digest(rest)}"' if rest else f'"{_digest(itself)}"'


def answer(
    request: Request, representation: Mapping[str, Any], status: int = 200, *, follows: Collection[str] = ()
) -> Response:
    """The representation with its ETag; 304 without it when the reader has it already."""
    tag = of(representation, follows)
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if request.method in ("GET", "HEAD") and ("*" in known or tag in {each.removeprefix("W/") for each in known}):
        return Response(status=304, headers={"ETag": tag})
    return Response(representation, status=status, headers={"ETag": tag})


def check(request: Request, representation: Mapping[str, Any], *, follows: Collection[str] = ()) -> None:
    """Raises Problem 412 when the request names another state than the present one; call it with the row locked."""
    given = request.headers.get("If-Match")
    if given is None:
        return
    tag, named = of(representation, follows), parse_etags(given)
    if "*" not in named and kept(tag) not in map(kept, named):
        said = _("It was changed meanwhile. Read it again, and decide anew.")
        raise Problem(412, "changed_meanwhile", said, headers={"ETag": tag})


def kept(tag: str) -> str:
    """The half of a tag that stands for the thing itself."""
    return tag.strip('"').partition("-")[0]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, cls=JSONEncoder, sort_keys=True).encode()).hexdigest()[:32]
