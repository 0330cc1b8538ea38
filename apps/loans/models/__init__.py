"""Loans as rows: what was agreed and what happened are facts; instalments, balances and amounts are projections of their replay."""

from apps.loans.models.loan import LIVE, LOAN_EDGES, Instalment, Loan, LoanAmount, LoanBalance, LoanTransaction

__all__ = ["LIVE", "LOAN_EDGES", "Instalment", "Loan", "LoanAmount", "LoanBalance", "LoanTransaction"]
