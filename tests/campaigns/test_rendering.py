"""Compiling and filling in: Liquid survives the parsers, values never become markup, and nothing hostile hurts others."""

import contextlib
import os
import signal
import threading
from uuid import uuid4

import psutil
import pytest

from campaigns import rendering
from campaigns.models import ContentVersion
from campaigns.rendering import ContentError, Rendered, ToRender, Unrendered

ADA = {
    "person": {"first_name": "Ada", "name": "Ada Lovelace", "title": "Countess", "vip": True, "custom": {}},
    "account": {"name": "Engines & Co", "custom": {}},
    "company": "Marlow Creek",
    "postal_address": "1 Weir Lane\nMarlow",
    "today": "2025-06-15",
}


def version(source, *, format="html", text="", subject="Hello", preheader=""):
    done = rendering.compile(source, format, text=text, subject=subject, preheader=preheader)
    return ContentVersion(
        subject=subject,
        preheader=preheader,
        format=format,
        source=source,
        html=done.html,
        text=done.text,
        links=done.links,
    )


def uncompiled(html, **values):
    """A version as a hand past all checks would have written it."""
    return ContentVersion(**{"subject": "x", "preheader": "", "html": html, "text": "", "links": []} | values)


def one(of, context=ADA):
    asked = ToRender(uuid4(), of, context)
    return rendering.render([asked])[asked.id]


def body(source, context=ADA, **values):
    done = one(version(source, **values), context)
    assert isinstance(done, Rendered), done
    return rendering.filled(done.html, done.links, unsubscribe="https://u.example/", in_html=True)


def refused(source, **values):
    with pytest.raises(ContentError) as error:
        rendering.compile(source, values.pop("format", "html"), **values)
    return error.value


# ---- Liquid and the parsers ----


def test_a_condition_round_table_rows_stays_round_them():
    source = "<table>{% if person.vip %}<tr><td>inside</td></tr>{% else %}<tr><td>outside</td></tr>{% endif %}</table>"
    assert "inside" in body(source) and "outside" not in body(source)
    plain = body(source, {"person": {}})
    assert "outside" in plain and "inside" not in plain
    assert plain.index("<table>") < plain.index("outside") < plain.index("</table>")


def test_a_loop_within_a_table_makes_its_rows_there():
    source = "<table><tr><th>n</th></tr>{% for n in (1..3) %}<tr><td>row {{ n }}</td></tr>{% endfor %}</table>"
    done = body(source)
    assert [done.count(f"row {n}") for n in (1, 2, 3)] == [1, 1, 1]
    assert done.index("<table>") < done.index("row 1") < done.index("row 3") < done.index("</table>")


def test_a_value_that_is_whole_rows_is_not_moved_before_its_table():
    done = body("<table>{{ person.title }}</table>")
    assert done.index("<table>") < done.index("Countess")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<b class="{% if person.vip %}gold{% else %}grey{% endif %}">x</b>', 'class="gold"'),
        ("<p title='{{ person.title }}'>x</p>", 'title="Countess"'),
        ("<p title={{ person.title }}>x</p>", 'title="Countess"'),
        ('<p title="{{ person.x | default: "a > b" }}">x</p>', 'title="a > b"'),
        ('<p style="font-size:{% if person.vip %}12{% else %}14{% endif %}px">x</p>', "font-size:12px"),
        ("<style>p { color: {{ account.custom.colour | default: 'teal' }} }</style><p>x</p>", "color: teal"),
        ("<style>{% if person.vip %}p { color: gold }{% endif %}</style><p>x</p>", "color: gold"),
        ("<title>{{ person.name }}</title><p>x</p>", "<title>Ada Lovelace</title>"),
        ("<!--[if mso]><b>{{ person.name }}</b><![endif]--><p>x</p>", "<!--[if mso]><b>Ada Lovelace</b><![endif]-->"),
        ("<select><option>{{ person.title }}<option>b</select>", "Countess"),
        ("<ul>{% for n in (1..2) %}<li>{{ n }}</li>{% endfor %}</ul>", "<li>1</li><li>2</li>"),
        ("{% comment %}<p>{% if %}{% endcomment %}<p>{% raw %}{{ as is }}{% endraw %}</p>", "{{ as is }}"),
        ("{% assign n = 3 %}<p>{{ n | plus: 1 }}</p>", "<p>4</p>"),
        ("{%- if person.vip -%} <p>trimmed</p> {%- endif -%}", "trimmed"),
    ],
)  # fmt: skip
def test_liquid_survives_in_every_place(source, expected):
    assert expected in body(source)


def test_styles_are_inlined_once_and_rules_for_some_screens_stay():
    css = "p{color:red} a:hover{color:blue} @media (prefers-color-scheme: dark){p{color:#fff!important}}"
    done = body(f'<style>{css}</style><style media="print">p{{margin:9px}}</style><p>x</p>')
    assert '<p style="color: red;">' in done
    assert "hover" in done and "prefers-color-scheme: dark" in done
    assert '<style media="print">p{margin:9px}</style>' in done


def test_mjml_becomes_html_with_its_conditions():
    source = """<mjml><mj-head><mj-title>Hi {{ person.name }}</mj-title></mj-head><mj-body>
      {% if person.vip %}<mj-section><mj-column>
        <mj-text>Dear {{ person.first_name }}</mj-text>
        {% for n in (1..2) %}<mj-text>item {{ n }}</mj-text>{% endfor %}
        <mj-button href="https://x.example/{{ person.first_name }}">Go</mj-button>
      </mj-column></mj-section>{% endif %}</mj-body></mjml>"""
    done = body(source, format="mjml")
    assert "Dear Ada" in done and "item 1" in done and "item 2" in done and "<title>Hi Ada Lovelace</title>" in done
    assert 'href="https://x.example/Ada"' in done
    assert "Dear" not in body(source, {"person": {}}, format="mjml")


@pytest.mark.parametrize(
    ("source", "format", "place", "says"),
    [
        ("<p>\n{{ x | nofilter }}</p>", "html", (2, 8), "nofilter"),
        ("<p>{% if x %}</p>", "html", (1, 4), "not closed"),
        ("<p>{{ x </p>", "html", (1, 4), "Liquid"),
        ("<p>\n\n  {% include 'secrets' %}</p>", "html", (3, 6), "include"),
        ("{% render 'secrets' %}", "html", (1, 4), "render"),
        ("<p>{% if x %}</p>{% endif %}", "html", (1, 18), "<p>"),
        ("{% if x %}<p>{% endif %}</p>", "html", (1, 14), "<p>"),
        ("{% if x %}</div><div>{% endif %}", "html", (1, 22), "{% if %}"),
        ('<td {% if x %}class="a"{% endif %}>', "html", (1, 5), "attributes"),
        ("<p>a</p><script>1</script>", "html", (1, 9), "script"),
        ('<a href="javascript:alert(1)">x</a>', "html", (1, 10), "javascript"),
        ('<a href="/here">x</a>', "html", (1, 10), "/here"),
        ("<div>" * 3000, "html", (1, 501), "deep"),
        ("<mjml><mj-body>" + "<mj-section>" * 3000 + "</mj-section>" * 3000 + "</mj-body></mjml>", "mjml", (1, 1192), "deep"),
        ("{% if x %}" * 200 + "{% endif %}" * 200, "html", None, "deep"),
        ("<mjml>\n<mj-body><mj-sektion/></mj-body></mjml>", "mjml", (2, 10), "mj-sektion"),
        ("<mjml><mj-body>\n<mj-section></mj-body></mjml>", "mjml", (2, 13), "mj-section"),
        ('<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>', "mjml", (1, 16), "mj-include"),
        ("<p>not mjml</p>", "mjml", (1, 1), "<mjml>"),
        ("<p>a\x00b</p>", "html", (1, 5), "control"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_with_its_place(source, format, place, says):
    error = refused(source, format=format)
    assert says in str(error)
    assert place is None or (error.line, error.column) == place


def test_a_fault_of_the_subject_or_the_text_says_so():
    assert refused("<p>x</p>", subject="a\nBcc: b@example.com").field == "subject"
    assert refused("<p>x</p>", subject="{{ x | nofilter }}").field == "subject"
    assert refused("<p>x</p>", text="{% if x %}").field == "text"
    assert refused("<p>x</p>", preheader="{{ x").field == "preheader"


def test_a_style_sheet_elsewhere_is_not_fetched_and_no_file_is_read(tmp_path):
    (tmp_path / "a.css").write_text("p{color:red}")
    done = rendering.compile(f'<link rel="stylesheet" href="file://{tmp_path}/a.css"><p>x</p>', "html")
    assert "color" not in done.html.split("<p")[1].split(">")[0]


# ---- links, text, footer ----


def test_each_address_stands_once_in_the_links_as_it_was_typed():
    source = (
        '<a href="https://x.example/?a=1&amp;b=2">one</a> <a href="https://x.example/?a=1&b=2">again</a> '
        '<a href="https://x.example/{{ person.first_name | url_encode }}">mine</a> <a href="mailto:a@b.example">write</a> '
        '<a href="#top">up</a> <a href="{{ unsubscribe_url }}">off</a>'
        '<!--[if mso]><v:rect href="https://x.example/?a=1&b=2"></v:rect><a href="https://y.example/">y</a><![endif]-->'
    )
    done = rendering.compile(source, "html")
    assert done.links == [
        "https://x.example/?a=1&b=2",
        "https://x.example/{{ person.first_name | url_encode }}",
        "https://y.example/",
    ]
    assert 'href="mailto:a@b.example"' in done.html and 'href="#top"' in done.html


def test_an_address_made_of_a_value_may_only_lead_to_the_web():
    of = version('<a href="{{ person.site }}">x</a>')
    for bad in ("javascript:alert(1)", "data:text/html,x", "//evil.example", "https://", "ftp://x.example", ""):
        done = one(of, {"person": {"site": bad}})
        assert done.links == [""] and done.missing
    assert one(of, {"person": {"site": 'https://x.example/"><b>\r\nX: y'}}).links == [
        "https://x.example/%22%3E%3Cb%3E%0AX:%20y"
    ]
    assert one(of, {"person": {"site": "https://x.example/ü b"}}).links == ["https://x.example/%C3%BC%20b"]


def test_the_plain_text_is_made_of_the_html_with_addresses_behind_words():
    source = """<style>p{color:red}</style><h1>Title</h1><table><tr><td>left</td><td>right</td></tr></table>
      <ul><li>one</li><li>two</li></ul><p>Read <a href="https://x.example/">this</a> &amp; <b>that</b>.</p>
      <div style="display: none">hidden</div><img src="https://x.example/a.png" alt="A picture">"""
    done = one(version(source))
    text = rendering.filled(done.text, done.links, in_html=False)
    assert "Title\n" in text and "left\n\nright" in text and "- one" in text
    assert "Read this (https://x.example/) & that." in text
    assert "hidden" not in text and "color" not in text and "A picture" in text


def test_a_typed_text_keeps_its_words_and_its_links_are_counted_too():
    of = version("<p>x</p>", text="Dear {{ person.first_name }},\nsee https://x.example/a?b=1.\n")
    assert of.links == ["https://x.example/a?b=1"]
    text = rendering.filled(one(of).text, of.links, in_html=False)
    assert text.startswith("Dear Ada,\nsee https://x.example/a?b=1.\n")


def test_postal_address_and_unsubscribe_link_are_added_only_where_they_lack():
    bare = rendering.compile("<p>x</p>", "html")
    assert bare.added == ("postal_address", "unsubscribe_url")
    done = one(version("<p>x</p>"))
    html = rendering.filled(done.html, done.links, unsubscribe="https://u.example/", in_html=True)
    assert 'href="https://u.example/"' in html and "1 Weir Lane<br />" in html
    assert "https://u.example/" in rendering.filled(done.text, [], unsubscribe="https://u.example/", in_html=False)
    own = '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">off</a></p>'
    assert rendering.compile(own, "html").added == ()


def test_tags_for_analytics_are_added_but_never_over_those_that_are_there():
    tagged = rendering.tagged("https://x.example/a?utm_source=mine&b=1#part", campaign="spring")
    assert tagged == "https://x.example/a?utm_source=mine&b=1&utm_medium=email&utm_campaign=spring#part"
    assert rendering.tagged("mailto:a@b.example", campaign="spring") == "mailto:a@b.example"


# ---- values ----

EVIL = ["<script>alert(1)</script>", '" onmouseover="alert(1)', "'><img src=x onerror=alert(1)>", "&lt;b&gt;"]


@pytest.mark.parametrize(
    "use",
    ["", "| upcase", "| date: '%Y'", "| strip_html", "| newline_to_br", "| default: 'x'", "| append: '!'",
     "| split: ',' | join: '-'", "| replace: 'a', 'b'", "| escape_once", "| strip_newlines", "| squish"],
)  # fmt: skip
def test_a_value_never_becomes_markup(use):
    of = version(f'<p title="{{{{ person.x {use} }}}}">{{{{ person.x {use} }}}}</p>')
    for evil in EVIL:
        done = one(of, {"person": {"x": evil}}).html
        inner = done[done.index("<p title=") : done.index("</p>")].lower()
        assert inner.count("<") == 1 and inner.count('"') == 2


def test_filters_that_would_let_a_value_through_do_not_exist():
    for each in ("safe", "escapejs", "url_decode", "base64_decode", "base64_url_safe_decode"):
        assert each in str(refused(f"{{{{ person.x | {each} }}}}")), "it makes any letter of harmless ones"


def test_values_stand_as_they_are_in_subject_and_text_without_line_ends_in_the_subject():
    done = one(
        version("<p>x</p>", subject="{{ person.x }}!", text="{{ person.x }}"),
        {"person": {"x": "<A> & B\r\nBcc: c@d.example"}},
    )
    assert done.subject == "<A> & B Bcc: c@d.example!"
    assert done.text.startswith("<A> & B\nBcc")


def test_a_value_cannot_forge_the_markers_of_links():
    done = one(
        version('<p>{{ person.x }}</p><a href="https://x.example/">x</a>'),
        {"person": {"x": "\ue0000\ue001\ue000u\ue001"}},
    )
    assert "<p>0u</p>" in done.html


def test_what_is_missing_is_named_unless_a_default_says_what_to_write_instead():
    of = version(
        '<p>{{ person.first_name }} {{ person.gone }} {{ person.gone | upcase }} {{ person.other | default: "friend" }} '
        '{% if person.never %}x{% endif %} {{ nothing }}</p><a href="{{ person.site }}">x</a>'
    )
    done = one(of)
    assert done.missing == ("person.gone", "nothing", "person.site", "{{ person.site }}")
    assert "friend" in done.html


def test_the_preview_text_is_hidden_escaped_and_first():
    done = one(version("<body class='a'><p>x</p></body>", preheader="{{ person.first_name }} <3"))
    assert done.preheader == "Ada <3"
    assert done.html.index("display:none") < done.html.index("Ada &lt;3") < done.html.index("<p>x</p>")


# ---- what is hostile ----


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ (1..100000000) | sum }}",
        "{% for i in (1..1000000000) %}{% endfor %}",
        "{% for i in (1..10000) %}{% for j in (1..10000) %}{% endfor %}{% endfor %}",
        '{% assign s = "aaaaaaaaaa" %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}',
        '{{ (1..100000000) | join: "x" }}',
        "{{ (1..1000000000000) | reverse | first }}",
        "{% for i in (1..20000) %}{{ 'x' | append: 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy' }}{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{% if a %}" * 500 + "{% endif %}" * 500,
        "{{ x",
        "{{ x | nofilter }}",
    ],
)
def test_a_hostile_version_is_answered_in_time_and_the_same_process_goes_on(hostile):
    rendering._end_all()
    one(version("<p>x</p>"))  # a process rests
    child = rendering._resting[-1].process.pid
    done = one(uncompiled(hostile))
    assert isinstance(done, Unrendered) and done.strike
    assert "<p>x</p>" in one(version("<p>x</p>")).html
    assert rendering._resting[-1].process.pid == child


SLOW = "{% if person.bad %}{{ (1..100000000) | sum }}{% endif %}fine"


@pytest.fixture
def deadly():
    """A system that kills whichever process of ours computes for long, as one without memory does."""
    rendering._end_all()
    over, began = threading.Event(), {}

    def watch():
        while not over.wait(0.01):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.Error):
                    if child.rlimit(psutil.RLIMIT_NOFILE)[0] == 3:  # it has started, and works
                        user = child.cpu_times().user
                        if user - began.setdefault(child.pid, user) > 0.25:
                            child.kill()

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    over.set()
    thread.join()


def test_of_a_batch_that_kills_its_process_only_the_guilty_get_a_strike(deadly):
    of = uncompiled(SLOW)
    batch = [ToRender(uuid4(), of, {"person": {"bad": number in (7, 31)}}) for number in range(60)]
    done = rendering.render(batch)
    guilty = [number for number, each in enumerate(batch) if isinstance(done[each.id], Unrendered)]
    assert guilty == [7, 31]
    assert all(done[batch[number].id].strike for number in guilty)
    assert done[batch[59].id].html == "fine"


def test_a_version_that_kills_again_and_again_is_put_off_and_others_are_written(deadly):
    of, good = uncompiled(SLOW), version("<p>good</p>")
    batch = [ToRender(uuid4(), of, {"person": {"bad": True}}) for _ in range(6)] + [ToRender(uuid4(), good, ADA)]
    done = rendering.render(batch)
    assert [done[each.id].strike for each in batch[:6]] == [True, True, True, False, False, False]
    assert "good" in done[batch[6].id].html


def test_a_process_that_was_killed_while_it_rested_costs_nobody_a_strike():
    of = version("<p>x</p>")
    one(of)
    for child in rendering._resting:
        os.kill(child.process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)
    assert isinstance(one(of), Rendered)


def test_a_process_sees_no_environment_and_is_replaced_after_so_many_messages(monkeypatch):
    monkeypatch.setattr(rendering, "LIFE", 3)
    of = version("<p>x</p>")
    one(of)
    first = rendering._resting[-1]
    with open(f"/proc/{first.process.pid}/environ", "rb") as environment:
        assert environment.read() == b""
    with open(f"/proc/{first.process.pid}/limits") as limits:
        told = limits.read()
    assert any(line.startswith("Max open files") and line.split()[3] == "3" for line in told.splitlines())
    for _ in range(4):
        one(of)
    assert rendering._resting[-1] is not first and first.process.poll() is not None


@pytest.mark.parametrize(
    ("given", "shown", "instead"),
    [
        ("Ada", "Ada", "Ada"), ("<b> & \"x\"", "&lt;b&gt; &amp; &#34;x&#34;", "&lt;b&gt; &amp; &#34;x&#34;"),
        ("", "", "<i>"), (None, "", "<i>"), (False, "false", "<i>"), (True, "true", "true"), (0, "0", "0"),
        (1.5, "1.5", "1.5"), ([], "", "<i>"), (["a", "<"], "a&lt;", "a&lt;"), ({}, "{}", "<i>"),
    ],
)  # fmt: skip
def test_a_value_of_any_kind_is_shown_as_liquid_shows_it(given, shown, instead):
    [told] = rendering.render(
        [ToRender(uuid4(), uncompiled("{{ a.b }}|{{ a.b | default: '<i>' }}|{{ a.b.c }}"), {"a": {"b": given}})]
    ).values()
    assert told.html == f"{shown}|{instead}|"


def test_what_a_content_names_itself_goes_before_what_is_known_of_the_reader():
    html = "{% assign person = 'x' %}{{ person }}{% for company in (1..2) %}{{ company }}{% endfor %}{{ company }}"
    [told] = rendering.render([ToRender(uuid4(), uncompiled(html), ADA)]).values()
    assert told.html == "x12Marlow Creek"
