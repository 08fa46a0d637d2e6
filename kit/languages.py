"""Pages are in the language that their reader chose, or else in the one that the browser asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

from kit.models import User


def spoken_by_the_reader(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, behind Django's own: the answer, a streamed one too, is written in the user's language."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        language = _language_of(request)
        if not language:
            return get_response(request)
        with translation.override(language):
            response = get_response(request)
        response.headers["Content-Language"] = language
        if response.streaming:
            response.streaming_content = _within(language, response.streaming_content)  # type: ignore[attr-defined]
        return response

    return middleware


def _language_of(request: HttpRequest) -> str:
    """The user's language, if there is such a one; "" leaves it to the browser."""
    user = request.user
    return user.language if isinstance(user, User) and user.language in dict(settings.LANGUAGES) else ""


def _within(language: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    with translation.override(language):
        yield from parts
