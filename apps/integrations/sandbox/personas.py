"""Who the sandbox's people are: scripted personas, found by a table or by the ID number itself.

The rule: digits 15 and 16 of the ID number (the first two of its sequence code) name the persona: 91 thin, 92 fraud, 93 indebted,
94 pays_late, 95 never_pays; any other is good. `POST /sandbox/personas` overrules it for one ID number.
"""

from __future__ import annotations

import datetime as dt

PERSONAS = ("good", "thin", "fraud", "indebted", "pays_late", "never_pays")
_SEQUENCES = {"thin": "91", "fraud": "92", "indebted": "93", "pays_late": "94", "never_pays": "95", "good": "01"}
_BY_SEQUENCE = {digits: persona for persona, digits in _SEQUENCES.items()}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_SIGNS = "10X98765432"


def persona_by_rule(id_number: str) -> str:
    """The persona that the ID number itself names."""
    return _BY_SEQUENCE.get(id_number[14:16], "good")


def check_sign(first_17: str) -> str:
    """The 18th sign of an ID number (GB 11643, ISO 7064 MOD 11-2)."""
    return _CHECK_SIGNS[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def is_id_number(text: str) -> bool:
    """Whether the text is an 18-sign ID number with a real birthday and the right check sign."""
    if len(text) != 18 or not (text[:17].isascii() and text[:17].isdigit()):
        return False
    try:
        dt.date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return check_sign(text[:17]) == text[17].upper()


def id_number_for(persona: str, *, birthday: dt.date = dt.date(1990, 3, 7), region: str = "110101", serial: int = 1) -> str:
    """A valid ID number of a persona; `serial` 0–9 (odd: a man) and other birthdays give other people."""
    first_17 = f"{region}{birthday:%Y%m%d}{_SEQUENCES[persona]}{serial % 10}"
    return first_17 + check_sign(first_17)


def is_card_number(text: str) -> bool:
    """Whether the text is a bank card number of 16 to 19 digits with the right Luhn digit."""
    if not (text.isascii() and text.isdigit() and 16 <= len(text) <= 19):
        return False
    total = 0
    for index, digit in enumerate(reversed(text)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_number_for(serial: int, *, prefix: str = "622202") -> str:
    """A valid card number of 19 digits; each serial below 10¹² gives another card."""
    first_18 = f"{prefix}{serial % 10**12:012d}"
    return next(first_18 + digit for digit in "0123456789" if is_card_number(first_18 + digit))
