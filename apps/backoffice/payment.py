"""The page of a payment: the checks of this very moment, the contract, the payee, the money that would pay it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications
from apps.applications.selectors import ContractFacts, PortalOrder
from apps.backoffice.queue import Sla, sla_of
from apps.common.errors import CarloanError
from apps.contracts import selectors as contracts
from apps.contracts.selectors import ContractBrief
from apps.disbursement import selectors as disbursement
from apps.disbursement.services import checks as checking
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.documents.domain import Verification
from apps.flows import selectors as flows
from apps.flows.selectors import TaskView

CHECKS: Final = {
    "contract_signed": (_("Contract signed by all parties"), _("There is no signed contract.")),
    "contract_valid": (_("Signatures verify and cover the whole file"), _("The contract file does not verify.")),
    "amount_agrees": (_("Contract names the amount to be paid"), _("Contract and payment differ in the amount.")),
    "person_seen": (
        _("Customer seen: liveness fresh or signing recent"),
        _("Too long since the customer was seen. Ask for liveness again."),
    ),
    "may_borrow": (_("Customer verified and not restricted, proofs and ID card valid"), _("The customer may not borrow at present.")),
    "card_valid": (_("Debit card bound, with its agreement"), _("No card with a debit agreement.")),
    "payee_complete": (_("Payee's account known"), _("The payee's name or account is missing.")),
}


@dataclass(frozen=True)
class CheckLine:
    """One check; `text` says what holds, or what is wrong."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True)
class PaymentPage:
    """A payment as its reviewer sees it. `checks` are made anew while it waits, later those that were found at approval."""

    payment: Any
    order: PortalOrder
    facts: ContractFacts | None
    contract: ContractBrief | None
    verification: Verification | None
    checks: tuple[CheckLine, ...]
    accounts: tuple[Any, ...]
    covered: bool
    voucher: Any
    orders: tuple[Any, ...]
    documents: tuple[Any, ...]
    task: TaskView | None
    sla: Sla
    held_by: str
    is_mine: bool
    may_decide: bool
    may_send_again: bool

    @property
    def failed(self) -> tuple[CheckLine, ...]:
        """Checks that do not hold."""
        return tuple(check for check in self.checks if not check.ok)


def payment_page(payment: Any, user: Any, now: dt.datetime) -> PaymentPage:
    """The page of a payment that was fetched within the person's scope."""
    waits = payment.state == "created"
    if waits:
        checking.look_again(payment, now=now)  # findings stay on this copy: nothing is saved
    task = flows.task_for("disbursement", payment.id, "disbursement_review")
    contract = contracts.contract_of(payment.application_ref)
    accounts = tuple(disbursement.accounts_of(user))
    mine = bool(task and task.claimed_by_id == user.id)
    return PaymentPage(
        payment=payment,
        order=applications.portal_order(payment.application_ref),
        facts=_facts(payment.application_ref),
        contract=contract,
        verification=_verified(contract),
        checks=tuple(_line(check) for check in payment.checks or ()),
        accounts=accounts,
        covered=any(account.position.covers(payment.amount) for account in accounts),
        voucher=disbursement.voucher_of(payment.application_ref),
        orders=tuple(payment.orders.select_related("account__funder").order_by("sent_at")),
        documents=tuple(documents.owned_by("application", payment.application_ref)),
        task=task,
        sla=sla_of(task.due_at if task else None, now),
        held_by=task.claimed_label if task and task.claimed_label and not mine else "",
        is_mine=mine,
        may_decide=waits and user.can("disbursement.review") and (mine or task is None or task.claimed_by_id is None),
        may_send_again=payment.state == "failed" and user.can("disbursement.pay"),
    )


def _facts(application_id: Any) -> ContractFacts | None:
    try:
        return applications.contract_facts(application_id)
    except CarloanError:
        return None


def _verified(contract: ContractBrief | None) -> Verification | None:
    if contract is None or contract.signed_document_ref is None:
        return None
    return document_services.verify(document_services.read(contract.signed_document_ref))


def _line(check: dict[str, Any]) -> CheckLine:
    good, bad = CHECKS.get(check["name"], (check["finding"], check["finding"]))
    return CheckLine(check["name"], check["ok"], str(good if check["ok"] else bad))
