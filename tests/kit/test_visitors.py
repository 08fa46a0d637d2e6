"""Where a request comes from: what a proxy has seen counts, what the visitor wrote does not."""

import pytest
from django.test import RequestFactory

from kit import visitors


def asked(forwarded=None, seen="203.0.113.7", **more):
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    return RequestFactory().get("/", headers=headers | more, REMOTE_ADDR=seen)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "203.0.113.7"),
        (0, "198.51.100.1", "203.0.113.7"),
        (1, None, "203.0.113.7"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "1.1.1.1, 2.2.2.2, 198.51.100.1", "198.51.100.1"),
        (2, "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        (2, "198.51.100.1", "203.0.113.7"),
        (1, "not an address", ""),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_as_many_entries_are_believed_as_there_are_proxies(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    assert visitors.address(asked(forwarded)) == address


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_a_line_of_ipv6_is_one_visitor_however_many_addresses_it_has(address, near):
    assert visitors.neighbourhood(address) == near


def test_a_browser_is_named_in_few_letters_without_any_that_steer():
    assert visitors.browser(asked(**{"User-Agent": "Fire\x00fox\n" + "x" * 500})) == ("Firefox" + "x" * 500)[:200]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0", "Edge 141, Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", "Chrome 141, macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1", "Safari 18, iPhone"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_browser_is_called_by_the_name_that_people_know(told, name):
    assert visitors.known_as(told) == name
