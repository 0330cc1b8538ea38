"""Loans as rows: what was agreed and what happened are facts; instalments, balances and amounts are projections of their replay."""

from apps.loans.models.branches import BranchStay
from apps.loans.models.claims import ClaimRecovery, CompensationClaim
from apps.loans.models.extras import LoanExtras
from apps.loans.models.funding import FundingAgreement, FundingFee, FundingFeeTotal
from apps.loans.models.lease import LEASE_EDGES, Lease
from apps.loans.models.loan import LIVE, LOAN_EDGES, Instalment, Loan, LoanAmount, LoanBalance, LoanTransaction
from apps.loans.models.running import AccruedRange, LoanRun
from apps.loans.models.security import Collateral, CollateralValue, LoanParty, Pledge
from apps.loans.models.takeover import TakenOverLoan

__all__ = [
    "LEASE_EDGES",
    "LIVE",
    "LOAN_EDGES",
    "AccruedRange",
    "BranchStay",
    "ClaimRecovery",
    "Collateral",
    "CollateralValue",
    "CompensationClaim",
    "FundingAgreement",
    "FundingFee",
    "FundingFeeTotal",
    "Instalment",
    "Lease",
    "Loan",
    "LoanAmount",
    "LoanBalance",
    "LoanExtras",
    "LoanParty",
    "LoanRun",
    "LoanTransaction",
    "Pledge",
    "TakenOverLoan",
]
