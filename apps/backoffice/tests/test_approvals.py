"""Maker and checker in the back office."""

from __future__ import annotations

import pytest

from apps.common.models import ChangeRequest


@pytest.fixture
def maker(house):
    return house.staff("finance")


@pytest.fixture
def proposal(house, maker):
    return house.proposal(maker)


def decide(desk, proposal, **data):
    return desk.post(f"/backoffice/approvals/{proposal.id}/decide/", data)


def state(proposal):
    return ChangeRequest.objects.get(id=proposal.id).state


def test_the_inbox_lists_what_waits(house, at_desk, proposal):
    desk = at_desk(house.staff("entity_admin"))
    assert "J-7" in desk.get("/backoffice/approvals/").content.decode()
    page = desk.get(f"/backoffice/approvals/{proposal.id}/").content.decode()
    assert "bank fee of February" in page
    assert "120.00" in page
    assert 'value="approve"' in page


def test_another_person_approves_and_it_is_carried_out(house, at_desk, proposal):
    checker = house.staff("entity_admin")
    assert decide(at_desk(checker), proposal, outcome="approve").status_code == 302
    done = ChangeRequest.objects.get(id=proposal.id)
    assert (done.state, done.checker_id) == ("executed", checker.id)
    assert done.result == {"entry": f"change:{proposal.id}"}


def test_the_maker_decides_nothing_but_may_take_it_back(at_desk, maker, proposal):
    desk = at_desk(maker)
    assert 'value="approve"' not in desk.get(f"/backoffice/approvals/{proposal.id}/").content.decode()
    assert decide(desk, proposal, outcome="approve").status_code == 403
    assert decide(desk, proposal, outcome="withdraw").status_code == 302
    assert state(proposal) == "withdrawn"


def test_a_rejection_needs_its_reason(house, at_desk, proposal):
    desk = at_desk(house.staff("entity_admin"))
    assert decide(desk, proposal, outcome="reject", reason=" ").status_code == 422
    assert decide(desk, proposal, outcome="reject", reason="wrong month").status_code == 302
    assert state(proposal) == "rejected"
    assert decide(desk, proposal, outcome="approve").status_code == 409


def test_others_do_not_decide(house, at_desk, proposal):
    assert decide(at_desk(house.staff("collector")), proposal, outcome="approve").status_code == 403
    assert state(proposal) == "proposed"


def test_a_row_of_the_list_leads_to_the_page(house, at_desk, proposal):
    desk = at_desk(house.staff("entity_admin"))
    assert desk.get(f"/backoffice/common/changerequest/{proposal.id}/change/").url == f"/backoffice/approvals/{proposal.id}/"
