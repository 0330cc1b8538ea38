"""Laws of the books, by random entries against the real database: few in `make test`, many in `make test-long`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from itertools import count

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.common.models import new_id
from apps.ledger import selectors, services
from apps.ledger.domain import Posting
from apps.ledger.models import PostingRule
from apps.ledger.tests.factories import DAY, NOW, SYSTEM, an_entity, put
from apps.organisations.models import LegalEntity

pytestmark = pytest.mark.django_db
LAW = settings(max_examples=2000 if os.environ.get("CARLOAN_TEST_LONG") else 200, deadline=None, suppress_health_check=list(HealthCheck))
CENTS = st.integers(-10_000_000_000, 10_000_000_000).filter(bool).map(lambda cents: Decimal(cents) / 100)
numbers = count()


@pytest.fixture(scope="module")
def entity(module_db: None) -> Iterator[LegalEntity]:
    return an_entity()


@LAW
@given(data=st.data())
def test_whatever_the_rules_post_balances(entity, data):
    rules = PostingRule.objects.filter(legal_entity=entity)
    event = data.draw(st.sampled_from(sorted(set(rules.values_list("event", flat=True)))))
    known = sorted(set(rules.filter(event=event, party="own").values_list("component", flat=True)))
    if not known:
        return
    components = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
    amounts = [Posting(component, data.draw(CENTS), subject_ref=new_id()) for component in components]
    with transaction.atomic():
        services.post(
            legal_entity_id=entity.id, business_date=DAY, event=event, amounts=amounts, reference=str(next(numbers)), actor=SYSTEM, now=NOW
        )
        connection.check_constraints()
    rows = selectors.trial_balance(entity.id)
    assert sum(row.debit for row in rows) == sum(row.credit for row in rows)


@LAW
@given(debits=st.lists(CENTS.map(abs), min_size=1, max_size=3), credits=st.lists(CENTS.map(abs), min_size=1, max_size=3))
def test_the_database_takes_an_entry_only_when_its_sides_are_equal(entity, debits, credits):
    if sum(debits) == sum(credits):
        return
    lines = [("1002", str(amount), "0") for amount in debits] + [("1012", "0", str(amount)) for amount in credits]
    for total in (sum(debits), sum(credits)):
        with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
            put(entity, *lines, total=str(total))
