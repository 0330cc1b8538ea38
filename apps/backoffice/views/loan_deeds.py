"""Deeds on the loan page: collateral, co-borrowers and guarantors, extra fields; and the page on which a lender defines these."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.views.books import chosen_entity, entities_of
from apps.backoffice.views.loans import loan_response, visible_loan
from apps.common.errors import BadInput, CarloanError
from apps.common.money import parse_money
from apps.customers import selectors as customers
from apps.loans import services
from apps.organisations import services as organisations
from apps.organisations.selectors import EXTRA_KINDS, extra_fields


class _Sent:
    """What a form sent, read field by field. Raises `BadInput` naming the field."""

    def __init__(self, sent: Mapping[str, Any]) -> None:
        self._sent = sent

    def text(self, name: str) -> str:
        return str(self._sent.get(name, "")).strip()

    def read(self, name: str, parse: Callable[[str], Any]) -> Any:
        try:
            return parse(self.text(name))
        except (ValueError, ArithmeticError):
            raise BadInput(fields={name: [_("Please fill this in as the example shows.")]}) from None

    def yuan(self, name: str) -> Decimal:
        """An amount as people write it: `120,000.00`."""
        found: Decimal = self.read(name, lambda text: parse_money(text.replace(",", "").replace("，", "")))
        return found

    def day(self) -> dt.date:
        found: dt.date = self.read("on", dt.date.fromisoformat)
        return found


def _person(loan: Any, sent: _Sent) -> UUID:
    """A customer of the lender by ID number; the borrower when none was entered."""
    if not sent.text("id_number"):
        return UUID(str(loan.borrower_ref))
    found = customers.customer_by_id_number(sent.text("id_number"), loan.legal_entity_id)
    if found is None:
        raise BadInput(fields={"id_number": [_("Nobody with this ID number is a customer of this lender.")]})
    return found.id


def _register(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    made = services.register_collateral(
        legal_entity_id=loan.legal_entity_id,
        kind=sent.text("kind"),
        identifier=sent.text("identifier"),
        owner_ref=_person(loan, sent),
        value=sent.yuan("value"),
        valued_on=sent.day(),
        basis=sent.text("basis"),
        **who,
    )
    services.pledge_collateral(loan_id=loan.id, number=made.number, pledged_on=sent.day(), **who)


def _pledge(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    services.pledge_collateral(loan_id=loan.id, number=sent.text("number"), pledged_on=sent.day(), **who)


def _value(_loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    value = sent.yuan("value")
    services.value_collateral(number=sent.text("number"), value=value, valued_on=sent.day(), basis=sent.text("reason"), **who)


def _release(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    services.release_collateral(loan_id=loan.id, number=sent.text("number"), released_on=sent.day(), reason=sent.text("reason"), **who)


def _add_party(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    parts, role = sent.read("parts", int), sent.text("role")
    services.add_party(loan_id=loan.id, person_ref=_person(loan, sent), role=role, parts=parts, since=sent.day(), **who)


def _end_party(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    person, role = sent.read("person", UUID), sent.text("role")
    services.end_party(loan_id=loan.id, person_ref=person, role=role, ended_on=sent.day(), reason=sent.text("reason"), **who)


def _keep_extras(loan: Any, sent: _Sent, who: dict[str, Any]) -> None:
    names = [field.name for field in extra_fields(loan.legal_entity_id, "loan")]
    services.keep_extras(loan_id=loan.id, values={name: sent.text(f"x_{name}") for name in names}, **who)


_DEEDS: Final[dict[str, Callable[[Any, _Sent, dict[str, Any]], None]]] = {
    "register": _register,
    "pledge": _pledge,
    "value": _value,
    "release": _release,
    "add_party": _add_party,
    "end_party": _end_party,
    "extras": _keep_extras,
}


@require_POST
@staff_page("loans.adjust")
def loan_deed(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """One deed of the loan page; refused, the page tells why."""
    loan, deed = visible_loan(request, loan_id), _DEEDS.get(request.POST.get("deed", ""))
    if deed is None:
        raise BadInput(fields={"deed": sorted(_DEEDS)})
    try:
        with transaction.atomic():
            deed(loan, _Sent(request.POST), {"actor": request.actor, "now": request.now})
    except CarloanError as refused:
        return loan_response(request, loan, error=refused)
    return redirect(reverse("admin:loan", args=[loan.id]) + "#security")


@require_http_methods(["GET", "POST"])
@staff_page("organisations.edit")
def fields(request: StaffRequest) -> HttpResponse:
    """The extra fields that a lender keeps of its loans: define one, change it, retire it."""
    entities = entities_of(request.user)
    entity, error = chosen_entity(entities, request.POST.get("entity") or request.GET.get("entity", "")), None
    if request.method == "POST":
        try:
            _define(entity.id, request)
            return redirect(f"{reverse('admin:extra_fields')}?entity={entity.code}")
        except CarloanError as refused:
            error = refused
    context = {
        "entity_brief": entity,
        "entities": entities,
        "found": extra_fields(entity.id, "loan"),
        "kinds": EXTRA_KINDS,
        "data": request.POST,
        "error": error,
    }
    return show(request, "backoffice/extra_fields.html", context, status=error.status if error else 200)


def _define(entity_id: UUID, request: HttpRequest) -> None:
    sent, who = _Sent(request.POST), {"legal_entity_id": entity_id, "about": "loan", "actor": request.actor}  # type: ignore[attr-defined]
    if sent.text("deed") == "retire":
        organisations.retire_extra_field(name=sent.text("name"), **who)
        return
    organisations.define_extra_field(
        name=sent.text("name"),
        kind=sent.text("kind"),
        label_en=sent.text("label_en"),
        label_zh=sent.text("label_zh"),
        is_required=bool(sent.text("is_required")),
        choices=request.POST.get("choices", "").splitlines(),
        now=request.now,  # type: ignore[attr-defined]
        **who,
    )
