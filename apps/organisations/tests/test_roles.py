"""The role matrix: who may and who may not, and that nobody both makes and checks."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from apps.organisations.domain import ROLES, ROLES_OF_KIND

ALL = frozenset().union(*ROLES.values())
STAFF = ROLES_OF_KIND["staff"]

# permission → exactly the roles that have it: deeds that decide over money, people or rules
MATRIX = {
    "applications.review": {"credit_reviewer"},
    "disbursement.review": {"disbursement_reviewer"},
    "disbursement.pay": {"finance"},
    "ledger.adjust": {"finance"},
    "reconciliation.work": {"finance"},
    "loans.adjust": {"finance"},
    "risk.edit": {"risk_analyst"},
    "postloan.collect": {"collector"},
    "organisations.edit": {"entity_admin"},
    "products.edit": {"entity_admin"},
    "dealers.edit": {"entity_admin"},
    "flows.edit": {"entity_admin"},
    "customers.restrict": {"entity_admin"},
    "eod.run": {"entity_admin"},
    "audit.view": {"auditor"},
    "portal.use": {"dealer_manager", "consultant"},
    "portal.shop": {"dealer_manager"},
    "api.customer": {"customer"},
}


@pytest.mark.parametrize("permission", sorted(MATRIX))
def test_a_deed_belongs_to_exactly_its_roles(permission):
    assert {role for role, may in ROLES.items() if permission in may} == MATRIX[permission]


def test_the_auditor_only_looks():
    assert {name.split(".")[1] for name in ROLES["auditor"]} == {"view"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("applications.review", "disbursement.review"),
        ("disbursement.review", "disbursement.pay"),
        ("applications.review", "disbursement.pay"),
        ("applications.review", "risk.edit"),
        ("organisations.edit", "disbursement.pay"),
        ("portal.use", "applications.review"),
    ],
)
def test_no_role_holds_both_ends_of_a_deed(one, other):
    assert not [role for role, may in ROLES.items() if {one, other} <= may]


def test_people_outside_hold_nothing_of_the_back_office():
    outside = frozenset().union(*(ROLES[role] for role in ROLES if role not in STAFF))
    inside = frozenset().union(*(ROLES[role] for role in STAFF))
    assert not outside & inside


def test_every_role_is_for_exactly_one_kind_of_people():
    assert sorted(role for roles in ROLES_OF_KIND.values() for role in roles) == sorted(ROLES)


def test_every_permission_asked_for_in_the_code_is_held_by_some_role():
    asked = re.compile(r"""(?:require\(|\.can\(|permission\w*\s*=\s*|PERMISSION\w*(?::\s*Final)?\s*=\s*)\(?"([a-z_]+\.[a-z_]+)\"""")
    apps = Path(__file__).resolve().parents[2]
    missing = {
        f"{name} in {path.relative_to(apps)}"
        for path in apps.rglob("*.py")
        if "tests" not in path.parts and "migrations" not in path.parts
        for name in asked.findall(path.read_text(encoding="utf-8"))
        if name not in ALL
    }
    assert missing == set()


def test_the_matrix_is_printed():
    out = StringIO()
    call_command("print_roles", "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["auditor"] == sorted(ROLES["auditor"])
    table = StringIO()
    call_command("print_roles", stdout=table, stderr=StringIO())
    lines = table.getvalue().splitlines()
    assert lines[0].split() == ["permission", *ROLES]
    assert len(lines) == len(ALL) + 1
