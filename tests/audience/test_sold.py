"""Lists of products and purchases: found by word, product and day; nonsense is answered kindly; salespeople see theirs."""

import pytest
from django.urls import reverse

from audience.models import Product
from kit.models import User
from tests.factories import NOW, days_ago, person, purchase

pytestmark = pytest.mark.django_db


def test_purchases_are_found_by_buyer_product_and_day_and_a_salesperson_finds_their_own(client):
    boss = User.objects.create_user("boss@example.com", "x", role=User.Role.MARKETER)
    sales = User.objects.create_user("sal@example.com", "x", role=User.Role.SALES)
    red = Product.objects.create(name="Red", family="Sensors", source="x", external_id="1", recorded_at=NOW)
    mine, other = person(first_name="Ann", owner=sales), person(first_name="Bea", owner=boss)
    purchase(mine, days_ago(9), product=red, amount=1_00, currency="EUR")
    purchase(other, NOW)

    def found(**asked):
        return [row.person.first_name for row in client.get(reverse("purchases"), asked).context["page"].rows]

    client.force_login(boss)
    assert found() == ["Bea", "Ann"]
    for asked in ({"product": "Red"}, {"family": "Sensors"}, {"q": "ann"}, {"until": days_ago(9).date()}):
        assert found(**asked) == ["Ann"], asked
    assert found(since=NOW.date()) == ["Bea"] and found(sort="amount") == ["Ann", "Bea"]
    assert b"Red" in client.get(reverse("products"), {"q": "re", "family": "Sensors"}).content
    for nonsense in ("\x00", "'", "9" * 40, "9999-12-31", "0001-01-01"):
        for name in ("q", "product", "family", "source", "since", "until", "sort", "after"):
            for page in ("purchases", "products", "costs", "cases", "contracts", "exchange_rates", "deals"):
                assert client.get(reverse(page), {name: nonsense}).status_code == 200, (page, name, nonsense)
    client.force_login(sales)
    assert found() == ["Ann"]
