"""Words about dealers: scenes, company codes, and what other contexts may know of a consultant or a payee."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

import phonenumbers

_USCC: Final = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}", re.ASCII)
_USCC_SIGNS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ACCOUNT: Final = re.compile(r"\d{8,30}", re.ASCII)


class Scene(StrEnum):
    """What a partner sells; the scene decides papers and rules."""

    CAR = "car"
    TRAVEL = "travel"
    MEDICAL = "medical"
    EDUCATION = "education"
    RURAL = "rural"
    PROPERTY = "property"
    ECOMMERCE = "ecommerce"


@dataclass(frozen=True)
class DealerBrief:
    """A partner, as others may know it."""

    id: UUID
    legal_entity_id: UUID
    code: str
    name: str
    scene: str
    state: str
    agreement_no: str
    agreement_id: UUID | None
    signed_on: dt.date | None


@dataclass(frozen=True)
class ShopBrief:
    """A shop of a partner."""

    id: UUID
    dealer_id: UUID
    dealer_name: str
    legal_entity_id: UUID
    code: str
    name: str
    city: str
    address: str


@dataclass(frozen=True)
class ConsultantBrief:
    """Who starts applications. `may_apply` is true while consultant, shop and dealer are all active."""

    id: UUID
    user_id: UUID
    name: str
    masked_phone: str
    is_manager: bool
    shop_id: UUID
    shop_name: str
    dealer_id: UUID
    dealer_name: str
    legal_entity_id: UUID
    may_apply: bool


@dataclass(frozen=True)
class Payee:
    """Where a shop's money goes, in clear: for the payment channel only; pages show `masked_account_no`."""

    shop_id: UUID
    dealer_id: UUID
    account_name: str
    account_no: str
    masked_account_no: str
    bank_name: str
    bank_code: str


def uscc_valid(code: str) -> bool:
    """Whether a unified social credit code 统一社会信用代码 has a right check sign (GB 32100)."""
    return _USCC.fullmatch(code) is not None and uscc_check_sign(code[:17]) == code[17]


def uscc_check_sign(first_17: str) -> str:
    """The 18th sign of a unified social credit code: ISO 7064 MOD 31-3."""
    total = sum(_USCC_SIGNS.index(sign) * pow(3, place, 31) for place, sign in enumerate(first_17))
    return _USCC_SIGNS[-total % 31]


def parse_mobile(text: str) -> str:
    """A mainland mobile number as 11 digits. Raises ValueError."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException as error:
        raise ValueError("phone") from error
    mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    if number.country_code != 86 or not mobile:
        raise ValueError("phone")
    return str(number.national_number)


def parse_account_no(text: str) -> str:
    """A company bank account as 8 to 30 digits. Raises ValueError."""
    number = re.sub(r"[\s-]", "", text)
    if not _ACCOUNT.fullmatch(number):
        raise ValueError("account_no")
    return number
