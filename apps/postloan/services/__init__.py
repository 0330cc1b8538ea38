"""Deeds of post-loan work."""

from apps.postloan.services.collecting import (
    ask_contact,
    heed_payment,
    note_promise,
    record_contact,
    take_case,
)
from apps.postloan.services.intake import take_in
from apps.postloan.services.papers import check_paper, complete_when_ready, open_checklist, receive_paper
from apps.postloan.services.reminding import remind, tell_payment_received
from apps.postloan.services.settling import issue_certificate, note_settlement, release_title, withdraw_certificate
from apps.postloan.services.statements import CustomerStatement, customer_statement, print_statement

__all__ = [
    "CustomerStatement",
    "customer_statement",
    "print_statement",
    "ask_contact",
    "check_paper",
    "complete_when_ready",
    "heed_payment",
    "issue_certificate",
    "note_promise",
    "note_settlement",
    "open_checklist",
    "record_contact",
    "release_title",
    "remind",
    "take_case",
    "take_in",
    "tell_payment_received",
    "receive_paper",
    "withdraw_certificate",
]
