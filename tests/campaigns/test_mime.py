"""The bytes of a message, as the parser of Python's `email` reads them."""

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parseaddr
from uuid import UUID

import pytest

from campaigns import mime
from campaigns.models import Sender
from campaigns.rendering import Rendered

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
NOW = datetime(2025, 6, 15, 10, 0, tzinfo=UTC)
SENDER = Sender(name="Ada", address="ada@marlowcreek.example")


@dataclass
class Addresses:
    """Signed addresses, as tracking makes them."""

    open: str = "https://m.example/o/1"
    unsubscribe: str = "https://m.example/u/1?a=1&b=2"
    preferences: str = "https://m.example/p/1"

    def click(self, number):
        return f"https://m.example/c/{number}?x=1&y=2"


def words(**values):
    told = {"subject": "Hello", "preheader": "", "html": "<p>Hello</p>", "text": "Hello\n", "links": [], "missing": ()}
    return Rendered(**told | values)


def made(rendered=None, sender=SENDER, recipient="bob@example.com", **values):
    raw = mime.assemble(rendered or words(), message_id=ID, sender=sender, recipient=recipient, now=NOW, **values)
    assert raw.isascii() and b"\r\n" in raw and raw.endswith(b"\r\n")
    assert not raw.replace(b"\r\n", b"").translate(None, bytes(range(32, 127)) + b"\t"), "only printable ASCII and CRLF"
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert not parsed.defects and not any(part.defects for part in parsed.walk())
    return parsed


def test_a_message_has_both_bodies_and_the_headers_of_mail():
    parsed = made(name="Bob Marley")
    assert parsed["From"] == "Ada <ada@marlowcreek.example>"
    assert parsed["To"].addresses[0].display_name == "Bob Marley"
    assert parsed["To"].addresses[0].addr_spec == "bob@example.com"
    assert parsed["Message-ID"] == f"<{ID.hex}@marlowcreek.example>" == mime.message_id(ID, SENDER)
    assert parsed["Date"].datetime == NOW
    assert [part.get_content_type() for part in parsed.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert parsed.get_body(("plain",)).get_content().rstrip() == "Hello"
    assert "List-Unsubscribe" not in parsed


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus München, mit Zürcher Straßenbäumen und einem sehr langen Betreff, der gefaltet werden muss – ja wirklich",
        "水质传感器的新版本已经发布，欢迎查看我们的最新文档和使用指南，感谢您的支持与信任",
        "😀" * 60,
        "a" * 600,
        "plain words " * 40,
        "=?utf-8?b?SGVsbG8=?=",
        'with "quotes", commas, <angles> and \\backslashes\\',
        "",
    ],
)  # fmt: skip
def test_subjects_and_names_come_back_as_they_went(text):
    text = text.strip()
    raw = made(words(subject=text), name=text).as_bytes(policy=email.policy.compat32)
    # The newer parser of `email` puts blanks between the encoded words of a name; the older one reads them right.
    parsed = email.message_from_bytes(raw)
    assert str(make_header(decode_header(parsed["Subject"]))) == text
    name, address = parseaddr(parsed["To"])
    assert str(make_header(decode_header(name))) == text and address == "bob@example.com"


@pytest.mark.parametrize(
    "body",
    [
        "Ü" * 5000,
        "水质" * 4000 + "\n",
        "x" * 100_000,
        ".\n..\n.leading dot\n\n.\n",
        "From here\nTo there\nBcc: x@example.com\n\n--=_00112233445566778899aabbccddeeff--\n",
        "trailing blanks   \t\nand = signs == =20 =\n",
        "\n\n\n",
        "one\ntwo",
        "😀 mixed ascii " * 300,
    ],
)
def test_bodies_come_back_as_they_went(body):
    parsed = made(words(html=body, text=body))
    for kind in ("plain", "html"):
        found = parsed.get_body((kind,)).get_content().replace("\r\n", "\n")
        assert found.rstrip("\n") == body.rstrip("\n")


def test_no_line_of_the_bytes_is_a_lone_dot():
    raw = mime.assemble(words(text=".\n", html=".\n"), message_id=ID, sender=SENDER, recipient="b@c.example", now=NOW)
    assert b"\r\n.\r\n" not in raw


@pytest.mark.parametrize("evil", ["a\r\nBcc: b@c.example", "a\nb", "a\rb", "a\x00b", "a\x0bb", "a\x85b", "a\u2028b"])
def test_a_control_character_is_refused_wherever_it_would_stand_in_a_header(evil):
    for change in (
        {"rendered": words(subject=evil)},
        {"name": evil},
        {"recipient": f"{evil}@example.com"},
        {"recipient": f"bob@example.com{evil}"},
        {"sender": Sender(name=evil, address="a@b.example")},
        {"sender": Sender(name="A", address=f"a@b.example{evil}")},
        {"sender": Sender(name="A", address="a@b.example", reply_to=f"a@b.example{evil}")},
        {"addresses": Addresses(unsubscribe=f"https://m.example/{evil}")},
    ):
        with pytest.raises(mime.Refused):
            made(**change)


@pytest.mark.parametrize("bad", ["", "nobody", "a b@c.example", "a..b@c.example", ".a@c.example", "ü@c.example", "a@c@d.example",
                                 "a@c.example, b@d.example", "<a@c.example>", "a@[127.0.0.1]"])  # fmt: skip
def test_an_address_that_mail_cannot_carry_is_refused(bad):
    with pytest.raises(mime.Refused):
        made(recipient=bad)


def test_a_domain_of_other_letters_goes_as_punycode():
    assert made(recipient="a@bücher.example")["To"].addresses[0].addr_spec == "a@xn--bcher-kva.example"


def test_markers_become_the_reader_s_own_signed_addresses():
    rendered = words(
        html='<a href="\ue0000\ue001">x</a><a href="\ue000u\ue001">off</a><a href="\ue0001\ue001">gone</a>\ue000o\ue001',
        text="x (\ue0000\ue001)\noff: \ue000u\ue001 \ue000p\ue001\n",
        links=["https://x.example/", ""],
    )
    parsed = made(rendered, addresses=Addresses())
    html, text = (parsed.get_body((kind,)).get_content() for kind in ("html", "plain"))
    assert 'href="https://m.example/c/0?x=1&amp;y=2"' in html and 'href="https://m.example/u/1?a=1&amp;b=2"' in html
    assert '<a href="#">gone' in html and 'src="https://m.example/o/1"' in html
    assert "x (https://m.example/c/0?x=1&y=2)" in text and "https://m.example/p/1" in text
    assert parsed["List-Unsubscribe"] == "<https://m.example/u/1?a=1&b=2>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_without_signed_addresses_links_lead_straight_and_nothing_is_watched():
    rendered = words(html='<a href="\ue0000\ue001">x</a>\ue000o\ue001', text="x", links=["https://x.example/?a=1"])
    html = made(rendered, campaign="spring").get_body(("html",)).get_content()
    assert "https://x.example/?a=1&amp;utm_source=perennial&amp;utm_medium=email&amp;utm_campaign=spring" in html
    assert "<img" not in html
