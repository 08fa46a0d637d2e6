"""Forms as strangers meet them: the page, what is sent from it or from another site, the mail that confirms, the file.

No sign-in and nothing that would need one: whoever sends a form can do no more by it than anybody can. So there is no
token against forgery to check, which a page of another site could not carry; the cookie that knows a visitor again is
not sent along by other sites. GET changes nothing but a count: machines follow every link.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from audience.activity import visitors
from audience.models import Form, FormEdition, RefusedSubmission, Submission, Visitor
from audience.subjects.people import BadValue
from audience.webforms import asking, counting, files, filling, submitting
from audience.webforms.asking import Asked
from kit import throttle, tokens, writing
from kit import visitors as machines
from kit.public import nowhere, page, public

TRAP = "remark"  # a field that people do not see, called as nothing that browsers fill in by themselves
TRAPS = (TRAP, "homepage")  # and as it is called in code that was pasted before
BEGAN, DONE, VISITOR = "form began", "form done", "form visitor"  # kinds of tokens
COOKIE = "perennial_visitor"
KNOWN_AGAIN = timedelta(days=180)
SOONEST, LATEST = timedelta(seconds=3), timedelta(days=1)  # from the page to its answers
DONE_LASTS = timedelta(days=1)
OFTEN = throttle.Limit("form", 10, timedelta(seconds=30), timedelta(minutes=10), timedelta(minutes=10))
TOO_FAST = gettext_lazy("That was faster than we can tell from a machine. Send it once more.")
TOO_LATE = gettext_lazy("This page was open for long. Look it over and send it once more.")
ELSEWHERE = gettext_lazy("It came from a page that we do not know. Send it once more from here.")
Reason = RefusedSubmission.Reason


@csrf_exempt
@public
@require_http_methods(["GET", "HEAD", "POST"])
def hosted(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """The form's own page, and where it is sent to from anywhere."""
    form = Form.objects.select_related("edition").filter(public_id=public_id).exclude(state=Form.State.DRAFT).first()
    if form is None:
        return page(request, "audience/form_closed.html", status=404)
    if form.state == Form.State.CLOSED:
        return page(request, "audience/form_closed.html", status=410, form_name=form.edition.asked["title"])
    now = timezone.now()
    if request.method == "POST":
        return _taken(request, form, now)
    if request.method == "GET" and not visitors.is_bot(request.headers.get("User-Agent", "")):
        counting.looked(form, now=now)
    return _page(request, form.edition, now)


def _taken(request: HttpRequest, form: Form, now: datetime) -> HttpResponseBase:
    """What was sent: a machine's is refused and thanked for, so that it learns nothing."""
    whom = f"{machines.neighbourhood(machines.address(request))}|{form.pk}"
    try:
        throttle.claim(throttle.Counted(OFTEN, whom), now=now)
    except throttle.TooOften as often:
        counting.turned_away(form, now=now)
        answer = page(request, "audience/form_wait.html", status=429, wait=writing.span(often.wait))
        answer.headers["Retry-After"] = str(int(often.wait.total_seconds()) + 1)
        return answer
    sent, edition = request.POST, _edition(form, request.POST.get("edition", ""))
    if any(sent.get(each) for each in TRAPS):
        submitting.refuse(form, Reason.TRAP, sent, now=now)
        return _done(edition, None, now)
    reason, said = _suspicion(request, now)
    if reason:
        submitting.refuse(form, reason, sent, now=now)
    if said:
        return _page(request, edition, now, sent, said=said)
    filled = _filled(asking.read(edition.asked), None, sent, now)
    if not filled.is_valid():
        return _page(request, edition, now, sent, filled=filled)
    told = submitting.Sent(
        filled.answers, filled.ticked, filling.origin(sent), _browser(request, edition), embedded=not sent.get("began"),
        key=_uuid(_began(sent, now).get("key")) or uuid.uuid4(),
    )  # fmt: skip
    try:
        submission = submitting.submit(edition, told, now=now)
    except BadValue as bad:
        submitting.refuse(form, Reason.BAD_VALUE, sent, now=now)
        filled.add_error(bad.field if bad.field in filled.fields else None, bad.message)
        return _page(request, edition, now, sent, filled=filled)
    return _remembering(_done(edition, submission, now), submission.browser, edition, now)


def _suspicion(request: HttpRequest, now: datetime) -> tuple[str, Any]:
    """Why it may be a machine's, and what to tell somebody who is none; both empty when nothing speaks for it."""
    sent = request.POST
    if not sent.get("began"):  # our own page says when it was opened; other sites' pages cannot
        return ("", "") if visitors.is_ours(_sent_from(request)) else (Reason.ELSEWHERE, ELSEWHERE)
    age = tokens.age(BEGAN, sent["began"], now=now)
    if age is None or age > LATEST:
        return "", TOO_LATE
    return (Reason.TOO_FAST, TOO_FAST) if age < SOONEST else ("", "")


def _sent_from(request: HttpRequest) -> str:
    return visitors.host_of(request.headers.get("Origin", "")) or visitors.host_of(request.headers.get("Referer", ""))


def _edition(form: Form, number: str) -> FormEdition:
    """The edition that somebody had before them; a page of another site may be older than the newest."""
    is_one = number.isascii() and number.isdigit() and len(number) < 7
    return (form.editions.filter(number=int(number)).first() if is_one else None) or form.edition


@public
@require_safe
def done(request: HttpRequest, token: str) -> HttpResponse:
    """What is said afterwards, and the file that was promised."""
    now = timezone.now()
    told = tokens.read(DONE, token, lasts=DONE_LASTS, now=now)
    edition = FormEdition.objects.filter(pk=told["edition"]).first() if told else None
    if edition is None:
        return nowhere(request)
    sent = Submission.objects.select_related("form", "edition")
    found = sent.filter(key=told["key"]).first() if told["key"] else None
    look = found is not None and submitting.says_look_into_your_mail(found)
    shown = {"asked": asking.read(edition.asked), "look_into_mail": look, **_file(found, now)}
    return page(request, "audience/form_done.html", **shown)


@csrf_exempt  # the signed address is what entitles
@public
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponseBase:
    """The link of the mail: a button, and what it did once it was pressed. Looking confirms nothing."""
    now = timezone.now()
    found = submitting.waiting(token, now=now)
    if found is None:
        return nowhere(request)
    shown: dict[str, Any] = {"submission": found, "asked": asking.read(found.edition.asked), "token": token}
    if request.method != "POST" and not found.confirmed_at:
        return page(request, "audience/form_confirm.html", **shown)
    if request.method != "POST":
        return page(request, "audience/form_confirmed.html", **shown, **_file(found, now))
    browser = _browser(request, found.edition)
    submitting.confirm(found, browser=browser, now=now)
    answer = page(request, "audience/form_confirmed.html", **shown, **_file(found, now))
    return _remembering(answer, browser, found.edition, now)


@public
@require_safe
def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """The file of a form, to whoever holds the signed address; it is never shown, only handed over."""
    found = files.opened(token, now=timezone.now())
    if found is None:
        return nowhere(request)
    file, path = found
    answer = FileResponse(
        path.open("rb"), as_attachment=True, filename=file.name, content_type="application/octet-stream"
    )
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


# ---- the page ----


def draw(request: HttpRequest, asked: Asked, filled: filling.Filled, status: int = 200, **shown: Any) -> HttpResponse:
    """The page of a form, as its visitors and its preview have it."""
    return page(request, "audience/form_page.html", status, asked=asked, filled=filled, trap=TRAP, **shown)


def _page(
    request: HttpRequest,
    edition: FormEdition,
    now: datetime,
    sent: QueryDict | None = None,
    *,
    filled: filling.Filled | None = None,
    said: Any = "",
) -> HttpResponse:
    asked = asking.read(edition.asked)
    told = sent if sent is not None else request.GET
    carried = filling.origin(told, came_from=visitors.host_of(request.headers.get("Referer", "")))
    if sent is not None and (browser := _uuid(sent.get("visitor", ""))):
        carried["visitor"] = str(browser)
    known = _known(request, edition) if sent is None else None
    filled = filled or _filled(asked, known, sent, now)
    began = {"key": uuid.uuid4().hex, "asked": [bound.name for bound in filled.questions]}
    hidden = {"edition": edition.number, "began": tokens.made(BEGAN, began, now=now), **carried}
    shown = {"said": said, "hidden": hidden, "known": known is not None, "action": request.path}
    return draw(request, asked, filled, 400 if sent is not None else 200, **shown)


def _filled(asked: Asked, known: Visitor | None, sent: QueryDict | None, now: datetime) -> filling.Filled:
    """What is asked of a visitor; of what was sent from our own page, what that page had asked."""
    if sent is not None and (began := _began(sent, now)):
        questions = [each for each in asked.questions if each.field in began["asked"] and each.when != asking.HIDDEN]
    else:
        questions = list(asking.shown(asked, known=known is not None, answered=submitting.answered(known)))
    return filling.Filled(asked, questions, sent)


def _began(sent: QueryDict, now: datetime) -> dict[str, Any]:
    """What our own page said of itself when it was opened: its key, and what it asked. Empty for any other."""
    return tokens.read(BEGAN, sent.get("began", ""), lasts=LATEST, now=now) or {}


def _known(request: HttpRequest, edition: FormEdition) -> Visitor | None:
    """The visitor whom the cookie knows again, unless somebody begins anew, or the form does not want to know."""
    if "anew" in request.GET or not edition.asked.get("remembers") or not (browser := _cookie(request)):
        return None
    found = visitors.of(browser)
    return found if found and found.person and not found.person.erased_at else None


# ---- the browser ----


def _browser(request: HttpRequest, edition: FormEdition) -> uuid.UUID | None:
    """In which browser it is: as the site's own snippet says, else as our cookie knows; None where nobody may know."""
    if objects(request):
        return None
    if browser := _uuid(request.POST.get("visitor", "")):
        return browser
    return (_cookie(request) or uuid.uuid4()) if edition.asked.get("remembers") else None


def objects(request: HttpRequest) -> bool:
    """Whether the browser says that its user does not want to be followed."""
    return request.headers.get("Sec-GPC") == "1" or request.headers.get("DNT") == "1"


def _cookie(request: HttpRequest) -> uuid.UUID | None:
    kept = tokens.read(VISITOR, request.COOKIES.get(COOKIE, ""), lasts=KNOWN_AGAIN, now=timezone.now())
    return _uuid(kept or "")


def _remembering(answer: HttpResponse, browser: uuid.UUID | None, edition: FormEdition, now: datetime) -> HttpResponse:
    if browser and edition.asked.get("remembers"):
        answer.set_cookie(
            COOKIE, tokens.made(VISITOR, str(browser), now=now), max_age=KNOWN_AGAIN, path="/f/", httponly=True,
            secure=settings.HTTPS, samesite="Lax",
        )  # fmt: skip
    return answer


# ---- odds and ends ----


def _done(edition: FormEdition, submission: Submission | None, now: datetime) -> HttpResponse:
    told = {"edition": edition.pk, "key": str(submission.key) if submission else None}
    answer = redirect("form_done", tokens.made(DONE, told, now=now))
    answer.status_code = 303
    return answer


def _file(submission: Submission | None, now: datetime) -> dict[str, Any]:
    file = files.promised(submission) if submission else None
    return {"file": file, "file_token": files.token(submission, now=now) if submission and file else ""}


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if isinstance(text, str) and len(text) <= 36 else None
    except ValueError:
        return None
