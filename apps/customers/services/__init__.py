"""Deeds on customers, one module per noun."""

from apps.customers.services.cards import agree_debit, bind_card, choose_default_card, remove_card
from apps.customers.services.consents import (
    ConsentMissing,
    give_consent,
    install_consent_texts,
    require_consents,
    withdraw_consent,
)
from apps.customers.services.disclosure import unmask
from apps.customers.services.identity import (
    ask_party,
    decide_check_by_person,
    record_identity_result,
    start_identity_check,
    sweep_identity_checks,
)
from apps.customers.services.profile import add_contact, put_profile, remove_contact
from apps.customers.services.registration import expired_login_codes, expired_tokens, request_login_code, sign_in
from apps.customers.services.standing import close_customer, lift_restriction, restrict_customer

__all__ = [
    "ConsentMissing",
    "add_contact",
    "agree_debit",
    "ask_party",
    "bind_card",
    "choose_default_card",
    "close_customer",
    "decide_check_by_person",
    "expired_login_codes",
    "expired_tokens",
    "give_consent",
    "install_consent_texts",
    "lift_restriction",
    "put_profile",
    "record_identity_result",
    "remove_card",
    "remove_contact",
    "request_login_code",
    "require_consents",
    "restrict_customer",
    "sign_in",
    "start_identity_check",
    "sweep_identity_checks",
    "unmask",
    "withdraw_consent",
]
