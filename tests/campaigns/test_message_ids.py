"""A message's id is made of what it is, in Python and in SQL alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import message_id, message_id_sql
from kit.sql import sql, value

number = st.integers(1, 2**62)


@pytest.mark.django_db
@given(number, number, st.integers(1, 1000), st.sampled_from(["email", "sms"]))
def test_sql_and_python_make_the_same_id(enrollment, step, visit, channel):
    expression = message_id_sql(
        sql("{}::bigint", enrollment), sql("{}::bigint", step), sql("{}::int", visit), sql("{}::text", channel)
    )
    assert value(sql("SELECT {}", expression)) == message_id(enrollment, step, visit, channel)


def test_another_visit_is_another_message():
    assert message_id(1, 2, 1) != message_id(1, 2, 2) and message_id(1, 21) != message_id(12, 1)
