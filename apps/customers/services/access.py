"""The row that a deed is done on: locked, within the actor's view; and the words for values that cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.customers.domain import InvalidPersonalData
from apps.customers.models import Customer
from apps.customers.selectors import NoSuchCustomer

_Value = TypeVar("_Value")
_TEXTS: dict[str, str | Promise] = {
    "phone_invalid": _("Enter a mainland mobile number of 11 digits."),
    "id_number_invalid": _("This ID number is not valid. Please check all 18 digits."),
    "id_number_old": _("ID numbers of 15 digits are no longer valid. Enter the 18 digits of the present card."),
    "minor": _("Only adults may apply."),
    "name_invalid": _("Enter the name as printed on the ID card, in Chinese."),
    "card_number_invalid": _("This card number is not valid. Please check its digits."),
    "card_bank_unknown": _("Cards of this bank cannot be used. Please use another card."),
}


class PersonalDataInvalid(BadInput):
    """A phone, name, ID number or card number cannot be right; `facts` carry the reason's code."""

    code = "personal_data_invalid"


class CustomerClosed(Conflict):
    """The account was closed."""

    code = "customer_closed"
    title = _("This account is closed.")


def lock_customer(customer_id: UUID, actor: Actor) -> Customer:
    """The customer, locked. Raises `NoSuchCustomer` outside the actor's view, `CustomerClosed`."""
    row: Customer | None = Customer.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=customer_id).first()
    if row is None:
        raise NoSuchCustomer
    if row.state == Customer.State.CLOSED:
        raise CustomerClosed
    return row


def invalid(field: str, reason: str) -> PersonalDataInvalid:
    """The failure to raise for a value that cannot be right."""
    text = str(_TEXTS[reason])
    return PersonalDataInvalid(text, fields={field: [text]}, reason=reason)


def parsed(field: str, parse: Callable[[], _Value]) -> _Value:
    """What `parse` returns; its refusal named after the field."""
    try:
        return parse()
    except InvalidPersonalData as error:
        raise invalid(field, error.code) from None
