"""A small browser without scripts: pages, links by their words, forms by their labels, cookies, redirects.

It knows what a visitor sees, and needs nothing but Python. A field has to have a label, a button words, and an address an
answer without an error; where one is missing it is `Stuck`, and says what it looked for and what was there instead.
"""

from __future__ import annotations

import http.cookiejar
import json
import mimetypes
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

SECONDS = 60.0  # how long a page may take at most
HUMAN = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    "Accept": "text/html,*/*",
    "Accept-Language": "en",
}
ALONE = set("area base br col embed hr img input link meta source track wbr".split())  # elements without an end
UNSEEN = {"script", "style", "template", "head"}
BLOCKS = set(
    "address article aside br caption dd div dl dt fieldset figure figcaption footer form h1 h2 h3 h4 h5 h6 header hr "
    "legend li main nav ol option p pre section table tbody td tfoot th thead tr ul".split()
)  # what a reader sees apart from what stands beside it


class Stuck(Exception):
    """The walk cannot go on; the message says where, and what was looked for."""


class Element:
    """One element of a page, with what stands in it."""

    def __init__(self, name: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.name, self.attributes, self.parent = name, attributes, parent
        self.inside: list[Element | str] = []

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")

    def has(self, attribute: str) -> bool:
        return attribute in self.attributes

    def all(self, *names: str) -> Iterator[Element]:
        """The elements of these names below this one, in their order; all of them if none is named."""
        for part in self.inside:
            if isinstance(part, Element):
                if not names or part.name in names:
                    yield part
                yield from part.all(*names)

    def words(self) -> str:
        """What a reader sees of it, with single spaces."""
        return " ".join("".join(self._text()).split())

    def _text(self) -> Iterator[str]:
        if self.name in UNSEEN:
            return
        for part in self.inside:
            if isinstance(part, str):
                yield part
            else:
                space = " " if part.name in BLOCKS else ""
                yield from (space, *part._text(), space)

    def above(self) -> Iterator[Element]:
        at = self.parent
        while at is not None:
            yield at
            at = at.parent


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.at = Element("", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.inside.append(made)
        if tag not in ALONE:
            self.at = made

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.inside.append(Element(tag, {name: value or "" for name, value in attrs}, self.at))

    def handle_endtag(self, tag: str) -> None:
        for element in (self.at, *self.at.above()):
            if element.name == tag and element.parent is not None:
                self.at = element.parent
                return

    def handle_data(self, data: str) -> None:
        self.at.inside.append(data)


class Page:
    """What an address answered, as a reader sees it."""

    def __init__(self, browser: Browser, address: str, status: int, kind: str, text: str) -> None:
        self.browser, self.address, self.status, self.text = browser, address, status, text
        reader = _Reader()
        if kind.startswith("text/html"):
            reader.feed(text)
        self.root = reader.root

    @property
    def title(self) -> str:
        return next((heading.words() for heading in self.root.all("h1")), self.address)

    def words(self, within: str = "main") -> str:
        return next((part.words() for part in self.root.all(within)), self.root.words())

    def link(self, words: str) -> str | None:
        """Where the link of these words leads, or None: one within the page before one of its frame."""
        links = [link for part in (*self.root.all("main"), self.root) for link in part.all("a") if link["href"]]
        named = [(_named(link, self.root), link) for link in links]
        exactly = [link for name, link in named if name == words]
        for link in exactly or [link for name, link in named if name.startswith(words)]:
            return urllib.parse.urljoin(self.address, link["href"])
        return None

    def follow(self, words: str) -> Page:
        """Press the link of these words."""
        address = self.link(words)
        if address is None:
            there = sorted({_named(link, self.root) for link in self.root.all("a")} - {""})
            raise Stuck(f"On “{self.title}” there is no link “{words}”. There are: {'; '.join(there)}.")
        return self.browser.open(address)

    def forms(self) -> list[Form]:
        return [Form(self, element) for element in self.root.all("form")]

    def form(self, button: str, near: str = "") -> Form:
        """The form whose button says this; with `near`, the one in the smallest part of the page with these words."""
        found = [form for form in self.forms() if form.button(button)]
        if near:
            found = [form for form in found if near in form.surroundings(near)]
            found.sort(key=lambda form: len(form.surroundings(near)))
        if not found:
            there = sorted({words for form in self.forms() for words in form.buttons()})
            raise Stuck(
                f"On “{self.title}” there is no button “{button}”{f' near “{near}”' if near else ''}. "
                f"There are: {'; '.join(there) or 'none'}."
            )
        return found[0]

    def press(self, button: str, near: str = "") -> Page:
        """Send the form of this button, with what stands in it."""
        return self.form(button, near).send(button)

    def form_of(self, label: str) -> Form:
        """The form that has a field of this label, for forms without a button."""
        for form in self.forms():
            if label in form.labels():
                return form
        raise Stuck(f"On “{self.title}” there is no field “{label}”.")

    def frame(self, title: str) -> Page:
        """What is shown in the frame of this title."""
        for frame in self.root.all("iframe"):
            if frame["title"] == title:
                return self.browser.open(urllib.parse.urljoin(self.address, frame["src"]))
        raise Stuck(f"On “{self.title}” there is no frame “{title}”.")

    def shown(self, label: str) -> str:
        """What stands in the field of this label, in a form or outside."""
        for field in self.root.all("input", "select", "textarea"):
            if _named(field, self.root) == label:
                return str(_stands(field)[0])
        raise Stuck(f"On “{self.title}” there is no field “{label}”.")

    def items(self, section: str) -> list[str]:
        """The items of the lists in the part of the page that is called so."""
        parts = [part for part in self.root.all("section") if _named(part, self.root) == section]
        if not parts:
            raise Stuck(f"On “{self.title}” there is no part “{section}”.")
        return [item.words() for item in parts[0].all("li")]

    def rows(self) -> list[dict[str, str]]:
        """The rows of the page's tables, by the words of their heads."""
        found = []
        for table in self.root.all("table"):
            heads = [cell.words() for head in table.all("thead") for cell in head.all("th")]
            for body in table.all("tbody"):
                for row in body.all("tr"):
                    cells = [part for part in row.inside if isinstance(part, Element) and part.name in ("td", "th")]
                    found.append(dict(zip(heads, (cell.words() for cell in cells), strict=False)))
        return found


class Form:
    """A form as it stands on its page; fields are told by their labels."""

    def __init__(self, page: Page, element: Element) -> None:
        self.page, self.element = page, element
        own = element["id"]
        everything = list(page.root.all())
        inside = set(map(id, element.all()))
        self.controls = [
            one for one in everything
            if one.name in ("input", "select", "textarea", "button")
            and (own and one["form"] == own or id(one) in inside and not one["form"])
        ]  # fmt: skip
        self.values: dict[int, list[Any]] = {}

    def buttons(self) -> list[str]:
        return [_named(one, self.page.root) for one in self.controls if _is_button(one)]

    def button(self, words: str) -> Element | None:
        return next((one for one in self.controls if _is_button(one) and _named(one, self.page.root) == words), None)

    def surroundings(self, words: str) -> str:
        return next((up.words() for up in self.element.above() if words in up.words()), "")

    def labels(self) -> list[str]:
        return [_named(one, self.page.root) for one in self.controls if not _is_button(one) and one["type"] != "hidden"]

    def fill(self, label: str, value: Any) -> Form:
        """Write into the field of this label, choose of a list or of choices by its words, tick (True) or untick a box.

        A file is a pair of a name and its bytes.
        """
        fields = self._fields(label)
        field = fields[0]
        if field["type"] == "radio" and value is not True:
            named = [one for one in fields if _named(one, self.page.root) == value]
            if not named:
                raise Stuck(f"On “{self.page.title}”, “{label}” cannot be “{value}”.")
            field, value = named[0], True
        if field["type"] == "radio":
            for one in self.controls:
                if one["type"] == "radio" and one["name"] == field["name"]:
                    self.values[id(one)] = []
        if field["type"] in ("radio", "checkbox"):
            self.values[id(field)] = [field["value"] or "on"] if value else []
        elif field.name == "select":
            self.values[id(field)] = [self._option(field, label, value)]
        else:
            self.values[id(field)] = [value]
        return self

    def _fields(self, label: str) -> list[Element]:
        """The fields of this label, and the choices of a group that is called so."""
        fields = [
            one for one in self.controls
            if not _is_button(one) and one["type"] != "hidden"
            and (label == _named(one, self.page.root) or one["type"] == "radio" and label == _group(one))
        ]  # fmt: skip
        if not fields:
            there = "; ".join(filter(None, self.labels()))
            raise Stuck(f"On “{self.page.title}” there is no field “{label}”. There are: {there}.")
        return fields

    def _option(self, field: Element, label: str, words: str) -> str:
        options = list(field.all("option"))
        for option in options:
            if option.words() == words and not option.has("disabled"):
                return option["value"] if option.has("value") else option.words()
        raise Stuck(
            f"On “{self.page.title}”, “{label}” cannot be “{words}”. It may be: "
            f"{'; '.join(option.words() for option in options)}."
        )

    def send(self, button: str = "") -> Page:
        """Press the button of these words, or Enter in a form that has none."""
        pressed = self.button(button) if button else self.element
        if pressed is None:
            raise Stuck(
                f"On “{self.page.title}” there is no button “{button}”. There are: {'; '.join(self.buttons())}."
            )
        if pressed.has("disabled"):
            raise Stuck(f"On “{self.page.title}” the button “{button}” cannot be pressed.")
        pairs: list[tuple[str, Any]] = []
        for one in self.controls:
            if one["name"] and not one.has("disabled") and (one is pressed or not _is_button(one)):
                pairs += [(one["name"], value) for value in self.values.get(id(one), _stands(one))]
        method = (pressed["formmethod"] or self.element["method"] or "get").lower()
        action = pressed["formaction"] or self.element["action"] or self.page.address
        address = urllib.parse.urljoin(self.page.address, action)
        kind = pressed["formenctype"] or self.element["enctype"]
        return self.page.browser.send(method, address, pairs, kind == "multipart/form-data", self.page.address)


def _is_button(element: Element) -> bool:
    return element.name == "button" and element["type"] in ("", "submit") or element["type"] in ("submit", "image")


def _stands(control: Element) -> list[Any]:
    """What a browser would send for a control that nobody touched."""
    if control.name == "select":
        options = [option for option in control.all("option") if not option.has("disabled")]
        chosen = [option for option in options if option.has("selected")]
        if not chosen and not control.has("multiple"):
            chosen = options[:1]
        return [option["value"] if option.has("value") else option.words() for option in chosen]
    if control.name == "textarea":
        return ["".join(part for part in control.inside if isinstance(part, str)).removeprefix("\n")]
    if control["type"] in ("radio", "checkbox"):
        return [control["value"] or "on"] if control.has("checked") else []
    if control["type"] == "file":
        return [("", b"")]
    return [control["value"]]


def _named(element: Element, root: Element) -> str:
    """The words by which it is known: its own, or its label's; without a mark that it must be filled in."""
    if element["aria-label"]:
        return element["aria-label"]
    if element["aria-labelledby"]:
        by_id = {one["id"]: one for one in root.all()}
        return " ".join(by_id[name].words() for name in element["aria-labelledby"].split() if name in by_id)
    if element.name in ("a", "button"):
        return element.words() or element["title"]
    if _is_button(element):
        return element["value"]
    for label in root.all("label"):
        if label["for"] and label["for"] == element["id"] or label in element.above():
            return _label(label)
    return ""


def _label(label: Element) -> str:
    """A label's words, without those of the control within it."""
    parts = (part if isinstance(part, str) else part.words() for part in label.inside
             if isinstance(part, str) or part.name not in ("select", "textarea", "kbd"))  # fmt: skip
    return " ".join(" ".join(parts).split()).removesuffix(" optional").strip()


def _group(element: Element) -> str:
    """The legend of the choices an element belongs to."""
    for up in element.above():
        if up.name == "fieldset":
            return next((part.words() for part in up.all("legend")), "")
    return ""


class Browser:
    """One visitor, who keeps cookies, follows redirects and takes no error for an answer. A machine says it is one."""

    def __init__(self, address: str, *, machine: bool = False) -> None:
        self.address, self.machine = address.rstrip("/"), machine
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def open(self, address: str) -> Page:
        return self._ask(urllib.request.Request(urllib.parse.urljoin(self.address, address)))

    def send(self, method: str, address: str, pairs: list[tuple[str, Any]], multipart: bool, referrer: str) -> Page:
        pairs = [(name, value if isinstance(value, tuple) else str(value)) for name, value in pairs]
        if method == "get":
            query = urllib.parse.urlencode([(name, value) for name, value in pairs if isinstance(value, str)])
            return self.open(f"{address.split('?')[0]}?{query}")
        if multipart:
            body, kind = _multipart(pairs)
        else:
            plain = [(name, value if isinstance(value, str) else value[0]) for name, value in pairs]
            body, kind = urllib.parse.urlencode(plain).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, "Referer": referrer, "Origin": self.address}
        return self._ask(urllib.request.Request(address, body, headers, method="POST"))

    def _ask(self, request: urllib.request.Request) -> Page:
        for name, value in ({} if self.machine else HUMAN).items():
            request.add_header(name, value)
        try:
            with self.opener.open(request, timeout=SECONDS) as answer:
                return self._page(answer, answer.status)
        except urllib.error.HTTPError as error:
            with error:
                page = self._page(error, error.code)
            raise Stuck(f"{request.get_method()} {page.address} answered {page.status}: {page.words()[:300]}") from None
        except OSError as error:
            raise Stuck(f"{request.get_method()} {request.full_url} did not answer: {error}") from None

    def _page(self, answer: Any, status: int) -> Page:
        kind = answer.headers.get("Content-Type", "")
        return Page(self, answer.geturl(), status, kind, answer.read().decode("utf-8", "replace"))


class Program:
    """Another system, which asks by a key of the REST API and is answered in JSON."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self.key = address.rstrip("/"), key
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, **query: Any) -> Any:
        """What stands at this address of the API."""
        address = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self.key}"})
        try:
            with self.opener.open(request, timeout=SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise Stuck(f"GET {address} answered {error.code}: {error.read()[:300]!r}") from None
        except (OSError, ValueError) as error:
            raise Stuck(f"GET {address} did not answer in JSON: {error}") from None


def _multipart(pairs: list[tuple[str, Any]]) -> tuple[bytes, str]:
    mark = secrets.token_hex(16)
    parts = []
    for name, value in pairs:
        told = f'form-data; name="{name}"'
        kind = ""
        if isinstance(value, tuple):
            told += f'; filename="{value[0]}"'
            kind = f"Content-Type: {mimetypes.guess_type(value[0])[0] or 'application/octet-stream'}\r\n"
        content = value[1] if isinstance(value, tuple) else value.encode()
        parts.append(f"--{mark}\r\nContent-Disposition: {told}\r\n{kind}\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"
