"""What the customer's app sends and gets."""

from __future__ import annotations

from rest_framework import serializers

from apps.customers.domain import ConsentKind
from apps.customers.models import BankCard, Contact, IdentityCheck, WorkProfile

CONSENT_KINDS = [(kind.value, kind.value) for kind in ConsentKind]


class CodeRequestSerializer(serializers.Serializer):
    phone = serializers.CharField(max_length=20, help_text="Mainland mobile number.")
    lender = serializers.CharField(max_length=16, required=False, help_text="Code of the legal entity; not needed where there is only one.")


class CodeSentSerializer(serializers.Serializer):
    expires_in_s = serializers.IntegerField()
    resend_after_s = serializers.IntegerField()


class SignInSerializer(serializers.Serializer):
    phone = serializers.CharField(max_length=20)
    code = serializers.RegexField(r"^\d{6}$", help_text="Six digits from the SMS.")
    device_id = serializers.CharField(max_length=128, help_text="Stable id of the device; kept as a hash.")
    device_name = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)
    place = serializers.CharField(max_length=64, required=False, default="", allow_blank=True, help_text="City, where the app may know it.")
    lender = serializers.CharField(max_length=16, required=False)


class TokensSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()
    customer_id = serializers.UUIDField()
    registered = serializers.BooleanField(help_text="True the first time.")


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField()


class RefreshedSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()


class ConsentTextSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=CONSENT_KINDS)
    version = serializers.IntegerField()
    title = serializers.CharField()
    purpose = serializers.CharField()
    text = serializers.CharField()
    sha256 = serializers.CharField()
    effective_from = serializers.DateField()


class ConsentInputSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=CONSENT_KINDS)
    version = serializers.IntegerField(min_value=1, help_text="Version of the text that was read.")
    device_id = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)


class ConsentWithdrawalSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=CONSENT_KINDS)


class ConsentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=CONSENT_KINDS)
    version = serializers.IntegerField()
    given_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField(allow_null=True)


class ContactInputSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=32)
    phone = serializers.CharField(max_length=20)
    relation = serializers.ChoiceField(choices=Contact.Relation.choices)


class ContactSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField(source="masked_name")
    phone = serializers.CharField(source="masked_phone")
    relation = serializers.ChoiceField(choices=Contact.Relation.choices)


class ProfileInputSerializer(serializers.Serializer):
    employer = serializers.CharField(max_length=100)
    monthly_income = serializers.DecimalField(max_digits=18, decimal_places=2, min_value=0, help_text="Yuan a month.")
    employed_since = serializers.DateField()
    industry = serializers.CharField(max_length=32, required=False, default="", allow_blank=True)
    position = serializers.CharField(max_length=32, required=False, default="", allow_blank=True)
    education = serializers.ChoiceField(choices=WorkProfile.Education.choices, required=False, default="", allow_blank=True)
    marital_status = serializers.ChoiceField(choices=WorkProfile.Marital.choices, required=False, default="", allow_blank=True)
    housing = serializers.ChoiceField(choices=WorkProfile.Housing.choices, required=False, default="", allow_blank=True)
    address = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class ProfileSerializer(serializers.Serializer):
    employer = serializers.CharField()
    monthly_income = serializers.DecimalField(max_digits=18, decimal_places=2)
    employed_since = serializers.DateField()
    industry = serializers.CharField()
    position = serializers.CharField()
    education = serializers.CharField()
    marital_status = serializers.CharField()
    housing = serializers.CharField()


class MeSerializer(serializers.Serializer):
    """The signed-in customer, masked."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    phone = serializers.CharField(source="masked_phone")
    name = serializers.CharField(source="masked_name")
    id_number = serializers.CharField(source="masked_id_number")
    profile = ProfileSerializer(allow_null=True)
    contacts = ContactSerializer(many=True)
    passed_checks = serializers.ListField(child=serializers.CharField())
    consents = serializers.ListField(child=serializers.CharField())
    profile_complete = serializers.BooleanField()


class CheckInputSerializer(serializers.Serializer):
    """`id_authenticity` needs name and ID number; `liveness` the reference of the recorded video."""

    kind = serializers.ChoiceField(choices=[("id_authenticity", "id_authenticity"), ("liveness", "liveness")])
    name = serializers.CharField(max_length=32, required=False, default="", allow_blank=True)
    id_number = serializers.CharField(max_length=18, required=False, default="", allow_blank=True)
    id_valid_until = serializers.DateField(required=False, allow_null=True, default=None, help_text="Empty: long-term.")
    address = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    video_ref = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)


class LivenessInputSerializer(serializers.Serializer):
    purpose = serializers.ChoiceField(choices=IdentityCheck.Purpose.choices, default=IdentityCheck.Purpose.SIGNING)
    video_ref = serializers.CharField(max_length=128, required=False, default="", allow_blank=True)


class CheckSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    purpose = serializers.CharField()
    state = serializers.ChoiceField(choices=IdentityCheck.State.choices)
    reason = serializers.CharField()
    card_id = serializers.UUIDField(allow_null=True)
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class CardInputSerializer(serializers.Serializer):
    card_number = serializers.CharField(max_length=32)
    phone = serializers.CharField(max_length=20, help_text="The phone kept at the bank.")
    debit_agreed = serializers.BooleanField(default=False, help_text="Instalments may be taken from this card.")


class CardSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=BankCard.State.choices)
    number = serializers.CharField(source="masked_number")
    bank_code = serializers.CharField()
    bank_name = serializers.CharField()
    is_default = serializers.BooleanField()
    debit_agreed = serializers.BooleanField()
    agreement_no = serializers.CharField()
