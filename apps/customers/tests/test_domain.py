from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from id_validator import validator

from apps.customers import domain
from apps.customers.selectors import card_bank
from apps.customers.tests.factories import card_number, id_number

TODAY = dt.date(2026, 3, 2)


def refusal(number: str, on: dt.date = TODAY) -> str:
    with pytest.raises(domain.InvalidPersonalData) as caught:
        domain.parse_id_number(number, on=on)
    return caught.value.code


def test_an_id_number_tells_birth_date_region_and_sex():
    person = domain.parse_id_number(" 110101 19900307 123 3 ", on=TODAY)
    assert person.number == "110101199003071233"
    assert person.birth_date == dt.date(1990, 3, 7)
    assert person.region == "110101"
    assert person.region_name.startswith("北京市")
    assert person.sex == "male"
    assert person.age_on(TODAY) == 35
    assert person.age_on(dt.date(2026, 3, 7)) == 36


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["110101", "440301", "510422", "440401", "810000", "999999", "320500"]),
    st.dates(dt.date(1930, 1, 1), dt.date(2008, 3, 2)),
    st.integers(0, 999),
    st.sampled_from("0123456789X"),
)
def test_numbers_are_judged_as_the_library_judges_them(region, birthday, serial, sign):
    number = id_number(serial, birthday=birthday, region=region)[:17] + sign
    try:
        domain.parse_id_number(number, on=TODAY)
        valid = True
    except domain.InvalidPersonalData:
        valid = False
    assert valid == validator.is_valid(number)


def test_a_check_sign_x_is_taken_in_either_case():
    assert domain.parse_id_number("11010119900307109x", on=TODAY).number.endswith("X")


@pytest.mark.parametrize("serial", range(0, 1000, 37))
def test_every_other_check_sign_is_refused(serial):
    number = id_number(serial)
    for sign in "0123456789X":
        if sign != number[-1]:
            assert refusal(number[:-1] + sign) == "id_number_invalid"


@pytest.mark.parametrize(
    "number",
    [
        "",
        "1234",
        "11010119900307123",
        "1101011990030712333",
        "A10101199003071233",
        "110101199002301237",
        "990101199003071238",
        "110101209903071232",
    ],
)
def test_what_cannot_be_an_id_number_is_refused(number):
    assert refusal(number) == "id_number_invalid"


def test_fifteen_digits_are_refused_as_outdated():
    assert refusal("110101900307123") == "id_number_old"


def test_a_minor_is_refused_until_the_eighteenth_birthday():
    number = id_number(1, birthday=dt.date(2008, 3, 3))
    assert refusal(number, on=dt.date(2026, 3, 2)) == "minor"
    assert domain.parse_id_number(number, on=dt.date(2026, 3, 3)).age_on(dt.date(2026, 3, 3)) == 18


def test_somebody_born_on_29_february_comes_of_age_on_1_march():
    number = id_number(2, birthday=dt.date(2008, 2, 29))
    assert refusal(number, on=dt.date(2026, 2, 28)) == "minor"
    assert domain.parse_id_number(number, on=dt.date(2026, 3, 1))


@pytest.mark.parametrize(
    ("text", "number"), [("13812345678", "13812345678"), ("+86 138 1234 5678", "13812345678"), ("8613812345678", "13812345678")]
)
def test_a_mobile_number_is_kept_as_eleven_digits(text, number):
    assert domain.parse_phone(text) == number


@pytest.mark.parametrize("text", ["", "12345678901", "010-88886666", "+85291234567", "1381234567", "abc"])
def test_other_phones_are_refused(text):
    with pytest.raises(domain.InvalidPersonalData):
        domain.parse_phone(text)


@given(st.integers(0, 10**12 - 1), st.sampled_from(["622202", "621700", "622848"]))
def test_a_card_number_with_its_luhn_digit_is_taken_and_no_other(serial, prefix):
    number = card_number(serial, prefix=prefix)
    assert domain.parse_card_number(f"{number[:4]} {number[4:]}") == number
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    with pytest.raises(domain.InvalidPersonalData):
        domain.parse_card_number(wrong)


@pytest.mark.parametrize(
    ("prefix", "code"), [("622202", "ICBC"), ("621700", "CCB"), ("622848", "ABC"), ("621661", "BOC"), ("622588", "CMB"), ("621226", "ICBC")]
)
def test_the_first_digits_name_the_bank(prefix, code):
    bank = card_bank(card_number(7, prefix=prefix))
    assert bank is not None
    assert bank.code == code


def test_a_card_of_an_unknown_bank_has_none():
    assert card_bank(card_number(7, prefix="999999")) is None


@pytest.mark.parametrize("name", ["王小明", "欧阳娜娜", "买买提·吐尔逊"])
def test_chinese_names_are_taken(name):
    assert domain.parse_name(f" {name} ") == name


@pytest.mark.parametrize("name", ["", "王", "John", "王·", "王小明1"])
def test_other_names_are_refused(name):
    with pytest.raises(domain.InvalidPersonalData):
        domain.parse_name(name)


def test_months_of_employment_are_whole_ones():
    assert domain.full_months(dt.date(2024, 1, 31), dt.date(2024, 2, 29)) == 0
    assert domain.full_months(dt.date(2024, 1, 15), dt.date(2026, 3, 15)) == 26
    assert domain.full_months(dt.date(2027, 1, 1), dt.date(2026, 3, 15)) == 0
