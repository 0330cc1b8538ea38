"""What the deeds on loans refuse."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, Conflict, NotFound


class TransactionUnknown(NotFound):
    """The loan has no such transaction."""

    code = "loan_transaction_unknown"
    title = _("The loan has no such transaction.")


class TermsRefused(BadInput):
    """The loan core cannot take these terms or this transaction; the detail is its reason."""

    code = "loan_terms_refused"
    title = _("The loan cannot be carried out on these terms.")


class AmountRefused(BadInput):
    """The amount is not what the deed needs."""

    code = "loan_amount_refused"
    title = _("The amount does not fit. See the details and try again.")


class ValueDateRefused(BadInput):
    """The value date lies before the loan or in the future."""

    code = "loan_value_date_refused"
    title = _("The value date must lie between the loan's opening and today.")


class HeldByAnother(Conflict):
    """The loan was sold: its owner, not the lender, bears its loss."""

    code = "loan_held_by_another"
    title = _("This loan is held by another owner. Buy it back first.")


class ReferenceReused(Conflict):
    """The reference was recorded with other contents."""

    code = "loan_reference_reused"
    title = _("This reference was recorded with other contents.")


class NotByBank(Conflict):
    """The payment did not come by bank, so no bank takes it back."""

    code = "loan_not_by_bank"
    title = _("This payment did not come by bank, so no bank takes it back. Cancel the repayment instead.")


class ChargedBack(Conflict):
    """The payer's bank has taken the payment back, so it cannot be cancelled as well."""

    code = "loan_charged_back"
    title = _("The payer's bank has taken this payment back. Undo the chargeback first, then cancel the payment.")


class PaidByCar(Conflict):
    """A returned car paid this; it is not undone as money is."""

    code = "loan_paid_by_car"
    title = _("A returned car paid this. It cannot be undone: correct the loan by an adjustment.")
