from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from apps.integrations.redaction import _IDENTIFIERS, redacted
from apps.integrations.sandbox.personas import card_number_for, id_number_for

SECRETS = {
    "phone": "13812345678",
    "id_number": id_number_for("good"),
    "card_number": card_number_for(1),
    "payee_account": card_number_for(2),
    "name": "王小明",
    "payee_name": "上海某某汽车销售有限公司",
    "text": "您的验证码是 482913",
}


def test_personal_fields_become_masks_and_unknown_ones_are_hidden():
    kept = redacted(SECRETS | {"order_no": "DD20251122000012345678", "amount": "12.00", "address": "上海市", "person": {"name": "王小明"}})
    assert kept["order_no"] == "DD20251122000012345678"
    assert kept["phone"] == "138****5678"
    assert kept["address"] == kept["person"] == kept["text"] == "***"


def test_texts_lose_their_long_numbers():
    assert redacted({"reason": "card 6222020000000000001 of 13812345678 closed"}) == {"reason": "card *** of *** closed"}


@given(
    st.dictionaries(st.text(max_size=12).filter(lambda key: key not in _IDENTIFIERS), st.sampled_from(sorted(SECRETS.values())), max_size=6)
)
def test_no_secret_survives_under_any_unforeseen_key(fields):
    text = json.dumps(redacted(fields | SECRETS), ensure_ascii=False)
    for secret in SECRETS.values():
        assert secret not in text
