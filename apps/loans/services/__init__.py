"""Deeds on loans. Each locks the loan, checks, records a transaction, replays, and posts the difference to the books."""

from apps.loans.selectors import LoanNotRunning, LoanUnknown, payoff_quote
from apps.loans.services.branch_balances import BranchBalances, balances_by_branch
from apps.loans.services.branches import transfer_branch
from apps.loans.services.changes import record_change
from apps.loans.services.claims import ClaimUnknown, compensate_loan, record_claim_recovery
from apps.loans.services.counter import preview_operation, propose_operation
from apps.loans.services.errors import (
    AmountRefused,
    ReferenceReused,
    TermsRefused,
    TransactionUnknown,
    ValueDateRefused,
)
from apps.loans.services.extras import keep_extras
from apps.loans.services.funding import AgreementInUse, agree_funding
from apps.loans.services.funding_by_two import FEE_KINDS, MAX_FEES, AgreementNumberTaken, propose_funding
from apps.loans.services.holding import hold_loans
from apps.loans.services.lease import LeaseEnded, LeaseStands, LeaseTerms, LeaseUnknown, agree_lease, identify_car
from apps.loans.services.on_time import Payment
from apps.loans.services.opening import open_loan
from apps.loans.services.operations import OPERATIONS, VALUE_DATE, Field, Operation, OperationUnknown, operation_named
from apps.loans.services.payments import TransactionBrief, check_prepayment, prepay, record_on_time, record_repayment, settle_early
from apps.loans.services.pools import PoolRefused, propose_pool, propose_settlement
from apps.loans.services.reversal import reverse_transaction
from apps.loans.services.security import (
    CollateralUnknown,
    NotSecured,
    SecurityDayRefused,
    ValueStands,
    add_party,
    end_party,
    pledge_collateral,
    register_collateral,
    release_all,
    release_collateral,
    restore_all,
    value_collateral,
)
from apps.loans.services.servicing import hold_loan
from apps.loans.services.sheet import SheetRefused
from apps.loans.services.takeover import BALANCES, TakeOverReport, take_over_loans
from apps.loans.services.takeover import OPTIONAL as TAKE_OVER_OPTIONAL
from apps.loans.services.takeover import REQUIRED as TAKE_OVER_REQUIRED
from apps.loans.services.takeover_by_two import propose_take_over, report_json

__all__ = [
    "BranchBalances",
    "balances_by_branch",
    "transfer_branch",
    "ClaimUnknown",
    "compensate_loan",
    "keep_extras",
    "record_claim_recovery",
    "LeaseEnded",
    "LeaseStands",
    "LeaseTerms",
    "LeaseUnknown",
    "agree_lease",
    "identify_car",
    "FEE_KINDS",
    "MAX_FEES",
    "AgreementNumberTaken",
    "propose_funding",
    "PoolRefused",
    "propose_pool",
    "propose_settlement",
    "AgreementInUse",
    "agree_funding",
    "BALANCES",
    "OPERATIONS",
    "TAKE_OVER_OPTIONAL",
    "TAKE_OVER_REQUIRED",
    "VALUE_DATE",
    "AmountRefused",
    "Field",
    "LoanNotRunning",
    "LoanUnknown",
    "Operation",
    "Payment",
    "OperationUnknown",
    "ReferenceReused",
    "SheetRefused",
    "TakeOverReport",
    "TermsRefused",
    "TransactionBrief",
    "TransactionUnknown",
    "ValueDateRefused",
    "check_prepayment",
    "hold_loan",
    "hold_loans",
    "CollateralUnknown",
    "NotSecured",
    "SecurityDayRefused",
    "ValueStands",
    "add_party",
    "end_party",
    "pledge_collateral",
    "register_collateral",
    "release_all",
    "release_collateral",
    "restore_all",
    "value_collateral",
    "open_loan",
    "operation_named",
    "payoff_quote",
    "prepay",
    "preview_operation",
    "record_on_time",
    "propose_operation",
    "propose_take_over",
    "record_change",
    "record_repayment",
    "report_json",
    "reverse_transaction",
    "settle_early",
    "take_over_loans",
]
