"""In whose name messages are sent."""

import pytest

from campaigns import senders
from campaigns.models import Sender
from tests.campaigns import making
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def made(name="Ada", address="ada@marlowcreek.example", **values):
    return senders.create(name, address, by=None, now=NOW, **values)


def test_the_first_is_the_default_and_there_is_never_more_than_one():
    ada, bob = made(), made("Bob", "bob@marlowcreek.example")
    assert ada.is_default and not bob.is_default
    senders.change(bob, name="Bob", address=bob.address, is_default=True, by=None, now=NOW)
    assert list(Sender.objects.filter(is_default=True)) == [bob]
    with pytest.raises(senders.Refused):
        senders.change(bob, name="Bob", address=bob.address, is_default=False, by=None, now=NOW)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"address": "a..b@c.example"}, "address"),
        ({"address": "ü@c.example"}, "address"),
        ({"reply_to": "nobody"}, "reply_to"),
        ({"name": "Ada\r\nBcc: x@example.com"}, "name"),
    ],
)
def test_what_no_mail_can_carry_is_refused(values, field):
    with pytest.raises(senders.Refused) as refused:
        made(**values)
    assert refused.value.field == field and not Sender.objects.exists()


def test_an_address_is_there_once():
    made()
    with pytest.raises(senders.Refused):
        made("Eve")


def test_one_in_use_or_by_default_is_not_retired():
    draft = making.campaign()
    default = draft.campaign.sender
    with pytest.raises(senders.Refused):
        senders.retire(default, by=None, now=NOW)
    other = made("Bob", "bob@marlowcreek.example")
    draft.campaign.sender = other
    draft.campaign.save()
    with pytest.raises(senders.Refused) as refused:
        senders.retire(other, by=None, now=NOW)
    assert "Nurture" in str(refused.value)
    draft.campaign.sender = default
    draft.campaign.save()
    senders.retire(other, by=None, now=NOW)
    other.refresh_from_db()
    assert other.retired_at == NOW
