"""After the last cent: the settlement certificate and the release of the title."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import Conflict, NotFound
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.contracts import selectors as contracts
from apps.customers import selectors as customers
from apps.documents import services as documents
from apps.documents.domain import Signer
from apps.loans import selectors as loans
from apps.messaging import services as messaging
from apps.organisations import selectors as organisations
from apps.postloan.events import SettlementNoted
from apps.postloan.models import SettlementCertificate, TitleRelease

TEMPLATE = "documents/settlement_certificate.html"


class NoSuchRelease(NotFound):
    """There is no such release in the actor's view."""

    code = "no_such_title_release"
    title = _("There is no such release.")


class LoanNotSettled(Conflict):
    """The loan owes something again."""

    code = "loan_not_settled"
    title = _("The loan is not settled. The title stays where it is.")


@transaction.atomic
def note_settlement(*, loan_id: UUID, application_id: UUID, settled_on: dt.date, actor: Actor, now: dt.datetime) -> SettlementCertificate:
    """A loan was settled: give its certificate a number, and note that the title is to be released. Safe to repeat."""
    loan = loans.loan_brief(loan_id)
    certificate, created = SettlementCertificate.objects.get_or_create(
        loan_ref=loan_id,
        withdrawn_at=None,
        defaults={
            "legal_entity_id": loan.legal_entity_id,
            "loan_number": loan.number,
            "customer_ref": loan.borrower_ref,
            "number": next_number("JQ", clock.local_date(now)),
            "settled_on": settled_on,
        },
    )
    if created:
        publish(SettlementNoted(certificate_id=certificate.id, loan_id=loan_id))
    if loans.former_contract(loan_id) is None and applications.contract_facts(application_id).vehicle_id is not None:
        days = organisations.parameter("postloan.title_release_days", on=settled_on, legal_entity_id=loan.legal_entity_id)
        TitleRelease.objects.get_or_create(
            loan_ref=loan_id,
            defaults={
                "legal_entity_id": loan.legal_entity_id,
                "loan_number": loan.number,
                "application_ref": application_id,
                "customer_ref": loan.borrower_ref,
                "settled_on": settled_on,
                "due_date": settled_on + dt.timedelta(days=days),
            },
        )
    return certificate


def issue_certificate(*, loan_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Make the signed certificate and tell the customer. Takes seconds: not inside a transaction. Safe to repeat."""
    certificate = SettlementCertificate.objects.filter(loan_ref=loan_id, withdrawn_at=None).first()
    if certificate is None:
        return
    entity = organisations.entity(certificate.legal_entity_id)
    if certificate.document_ref is None:
        document = documents.issue(
            kind="settlement_certificate",
            number=certificate.number,
            template=TEMPLATE,
            context=certificate_content(certificate, issued_on=clock.local_date(now)),
            signers=[
                Signer(field="company", kind="company", ref=entity.id, name=entity.name, identifier=entity.uscc, reason="贷款结清证明")
            ],
            legal_entity_id=certificate.legal_entity_id,
            owner_kind="loan",
            owner_ref=loan_id,
            customer_ref=certificate.customer_ref,
            actor=actor,
            now=now,
        )
        SettlementCertificate.objects.filter(id=certificate.id, document_ref=None).update(document_ref=document.id)
    messaging.send(
        template="settled",
        phone=customers.phone_of(certificate.customer_ref),
        variables={"loan_number": certificate.loan_number, "certificate_number": certificate.number},
        legal_entity_id=certificate.legal_entity_id,
        person_ref=certificate.customer_ref,
        dedupe_key=f"settled:{certificate.number}",
        actor=actor,
        now=now,
    )


def certificate_content(certificate: SettlementCertificate, *, issued_on: dt.date) -> dict[str, Any]:
    """What the certificate says, in the words of its template; the loan core decides the figures."""
    entity = organisations.entity(certificate.legal_entity_id)
    identity = customers.signing_identity(certificate.customer_ref)
    facts = loans.settlement_facts(certificate.loan_ref)
    former = loans.former_contract(certificate.loan_ref)
    contract = contracts.signed_contract(facts.application_ref) if former is None else None
    return {
        "lender": {"name": entity.name, "phone": entity.phone},
        "borrower": {"name": identity.name, "id_number": identity.id_number},
        "loan": _figures(facts),
        "contract_number": contract.number if contract else former or "",
        "vehicle": {"name": applications.contract_facts(facts.application_ref).vehicle_name if former is None else ""},
        "issued_on": issued_on,
        "verify_url": f"{settings.PUBLIC_URL}/verify/?number={certificate.number}",
    }


def _figures(facts: loans.SettlementFacts) -> dict[str, Any]:
    """The loan's totals in yuan, in the words of the template."""
    return {
        "number": facts.number,
        "principal": facts.principal,
        "opened_on": facts.opened_on,
        "settled_on": facts.settled_on,
        "total_principal": facts.paid["principal"],
        "total_interest": facts.paid["interest"],
        "total_penalty": facts.paid["penalty"] + facts.paid["compound"],
        "total_fees": facts.paid["fee"],
        "total_paid": facts.paid_total,
        "early": facts.was_settled_early,
    }


@transaction.atomic
def withdraw_certificate(*, loan_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """The loan owes again: its certificate no longer stands."""
    SettlementCertificate.objects.filter(loan_ref=loan_id, withdrawn_at=None).update(withdrawn_at=now)


@transaction.atomic
def release_title(*, release_id: UUID, actor: Actor, now: dt.datetime) -> TitleRelease:
    """The mortgage is lifted, or the title handed over. Raises `LoanNotSettled`."""
    release: TitleRelease | None = TitleRelease.objects.within(actor.data_scope).select_for_update().filter(id=release_id).first()
    if release is None:
        raise NoSuchRelease
    actor.require("postloan.papers")
    if loans.loan_brief(release.loan_ref).state != "settled":
        raise LoanNotSettled
    release.release()
    release.released_at, release.released_by = now, str(actor)
    release.save()
    return release
