import base64

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from apps.common import crypto, privacy


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_encrypted_comes_back_only_in_its_context(plain: bytes, context: str):
    stored = crypto.encrypt_bytes(plain, context=context)
    assert crypto.decrypt_bytes(stored, context=context) == plain
    with pytest.raises(crypto.UndecryptableError):
        crypto.decrypt_bytes(stored, context=context + "x")


def test_the_same_text_encrypts_differently_each_time_and_names_algorithm_and_key():
    first, second = crypto.encrypt_bytes(b"13812345678"), crypto.encrypt_bytes(b"13812345678")
    assert first != second
    assert first.startswith("a256gcm:k1:")
    assert crypto.key_id_of(first) == "k1"
    assert "13812345678" not in first


def test_a_new_key_encrypts_while_the_old_one_still_reads(settings):
    old = crypto.encrypt_bytes(b"secret")
    keys = {**settings.CRYPTO_KEYS, "k2": base64.b64encode(bytes(range(32))).decode()}
    with override_settings(CRYPTO_KEYS=keys, CRYPTO_CURRENT_KEY="k2"):
        assert crypto.decrypt_bytes(old) == b"secret"
        assert crypto.key_id_of(crypto.encrypt_bytes(b"secret")) == "k2"


@pytest.mark.parametrize(
    "stored", ["", "x", "a256gcm:k9:AAAA", "sm4:k1:AAAA", "a256gcm:k1:!!!!", "a256gcm:k1:" + base64.b64encode(b"0" * 40).decode()]
)
def test_what_cannot_be_read_is_named_not_returned(stored: str):
    with pytest.raises(crypto.UndecryptableError):
        crypto.decrypt_bytes(stored)


def test_the_blind_index_finds_equal_values_of_one_purpose_only():
    assert crypto.blind_index("11010119900307123x", purpose="id") == crypto.blind_index(" 11010119900307123X", purpose="id")
    assert crypto.blind_index("13812345678", purpose="phone") != crypto.blind_index("13812345678", purpose="card")


@pytest.mark.parametrize(
    ("mask", "plain", "shown"),
    [
        (privacy.mask_phone, "13812345678", "138****5678"),
        (privacy.mask_phone, "123", "****"),
        (privacy.mask_name, "王小明", "王**"),
        (privacy.mask_name, "王", "王*"),
        (privacy.mask_name, "", ""),
        (privacy.mask_id_number, "110101199003071234", "110101********1234"),
        (privacy.mask_id_number, "1234", "****"),
        (privacy.mask_card, "6222021234567890123", "**** 0123"),
        (privacy.mask_address, "北京市朝阳区建国路88号", "北京市朝阳区****"),
    ],
)
def test_masks_show_the_ends_only(mask, plain: str, shown: str):
    assert mask(plain) == shown
