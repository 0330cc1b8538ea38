"""States of a loan: the spec's table, the Python transitions and the database's trigger are one and the same."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import DatabaseError, connection, transaction
from django_fsm import TransitionNotAllowed

from apps.loans.models import LOAN_EDGES, Loan
from apps.loans.tests.factories import a_lender, a_loan

SPEC = {
    "pending": {"active", "cancelled"},
    "active": {"overdue", "settled", "written_off", "terminated", "cancelled"},
    "overdue": {"active", "settled", "written_off", "terminated", "cancelled"},
    "terminated": {"settled", "written_off", "active", "overdue"},
    "written_off": {"settled", "active", "overdue"},
    "settled": {"active", "overdue"},
    "cancelled": {"active"},
}


def test_edges_are_the_spec_s():
    assert {source: set(targets) for source, targets in LOAN_EDGES.items()} == SPEC
    assert set(SPEC) == set(Loan.State.values)


def test_python_transitions_are_the_edges():
    edges = {(move.source, move.target) for move in Loan().get_all_state_transitions()}
    assert edges == {(source, target) for source, targets in SPEC.items() for target in targets}


@pytest.mark.django_db
def test_the_database_refuses_any_other_change():
    loan = a_loan(a_lender())
    with connection.cursor() as cursor:
        for source, target in product(SPEC, SPEC):
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("UPDATE loans_loan SET state = %s WHERE id = %s", [source, loan.id])
            cursor.execute("SET session_replication_role = origin")
            legal = source == target or target in SPEC[source]
            try:
                with transaction.atomic():
                    cursor.execute("UPDATE loans_loan SET state = %s WHERE id = %s", [target, loan.id])
                assert legal, (source, target)
            except DatabaseError:
                assert not legal, (source, target)


def test_a_guard_in_python_is_kind():
    with pytest.raises(TransitionNotAllowed):
        Loan(state="cancelled").settle()
