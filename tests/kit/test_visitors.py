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
