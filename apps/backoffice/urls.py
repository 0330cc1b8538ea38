"""Addresses of the pages beside the admin's lists; mounted under /backoffice/ by `site`."""

from __future__ import annotations

from typing import Any

from django.urls import path

from apps.backoffice.views import (
    approvals,
    books,
    books_by_two,
    business_day,
    counter,
    disbursement,
    funders,
    loan_deeds,
    loans,
    payment_result,
    review,
    shared,
    take_over,
    workbench,
)


def pages() -> list[Any]:
    """All pages; row links of four lists lead to the page of the thing instead of the bare form."""
    return [
        path("workbench/", workbench.workbench, name="workbench"),
        path("workbench/next/", workbench.claim_next, name="claim_next"),
        path("workbench/<uuid:task_id>/claim/", workbench.claim, name="claim"),
        path("workbench/<uuid:task_id>/hand-back/", workbench.hand_back, name="hand_back"),
        path("review/<uuid:application_id>/", review.review, name="review"),
        path("review/<uuid:application_id>/decide/", review.decide, name="review_decide"),
        path("review/<uuid:application_id>/screen-again/", review.screen_again, name="review_screen_again"),
        path("review/<uuid:application_id>/calculator/", review.calculator, name="review_calculator"),
        path("disbursement/<uuid:disbursement_id>/", disbursement.disbursement_page, name="disbursement"),
        path("disbursement/<uuid:disbursement_id>/decide/", disbursement.decide, name="disbursement_decide"),
        path("disbursement/<uuid:disbursement_id>/send-again/", disbursement.send_again, name="disbursement_send_again"),
        path("payments/<str:order_no>/", payment_result.payment_result, name="payment_result"),
        path("payments/<str:order_no>/propose/", payment_result.propose, name="payment_result_propose"),
        path("loans/<uuid:loan_id>/", loans.loan, name="loan"),
        path("loans/<uuid:loan_id>/deed/", loan_deeds.loan_deed, name="loan_deed"),
        path("extra-fields/", loan_deeds.fields, name="extra_fields"),
        path("loans/<uuid:loan_id>/statement/", loans.statement, name="loan_statement"),
        path("take-over/", take_over.take_over, name="take_over"),
        path("counter/", counter.find, name="counter"),
        path("counter/vouchers/<uuid:request_id>/", counter.voucher, name="counter_voucher"),
        path("counter/<uuid:loan_id>/", counter.desk, name="counter_desk"),
        path("counter/<uuid:loan_id>/<slug:operation>/", counter.operate, name="counter_operation"),
        path("books/turnovers/", books.turnovers, name="books_turnovers"),
        path("books/balance-sheet/", books.balance_sheet, name="books_balance_sheet"),
        path("books/income/", books.income, name="books_income"),
        path("books/branches/", books.branches, name="books_branches"),
        path("books/accounts/", books_by_two.chart, name="books_chart"),
        path("books/accounts/<uuid:account_id>/", books.account, name="books_account"),
        path("books/entries/<uuid:entry_id>/", books.entry, name="books_entry"),
        path("books/entries/<uuid:entry_id>/paper/", books_by_two.entry_paper, name="books_entry_paper"),
        path("books/entries/<uuid:entry_id>/reverse/", books_by_two.reverse_entry, name="books_entry_reverse"),
        path("books/rules/", books_by_two.rules, name="books_rules"),
        path("books/rules/draft/", books_by_two.change_draft, name="books_rules_draft"),
        path("books/rules/bench/", books_by_two.bench, name="books_bench"),
        path("books/by-hand/", books_by_two.manual, name="books_manual"),
        path("eod/", business_day.business_day, name="eod"),
        path("eod/<uuid:day_id>/run/", business_day.run, name="eod_run"),
        path("funders/", funders.funders, name="funders"),
        path("funders/agreements/", funders.agreements, name="funding_agreements"),
        path("funders/statement/", funders.statement, name="funder_statement"),
        path("approvals/", approvals.inbox, name="approvals"),
        path("approvals/<uuid:request_id>/", approvals.change_request, name="approval"),
        path("approvals/<uuid:request_id>/decide/", approvals.decide, name="approval_decide"),
        path("documents/<uuid:document_id>/", shared.document, name="document"),
        path("customers/<uuid:customer_id>/unmask/", shared.unmask, name="unmask"),
        path("applications/application/<uuid:object_id>/change/", shared.to_page("admin:review")),
        path("disbursement/disbursement/<uuid:object_id>/change/", shared.to_page("admin:disbursement")),
        path("loans/loan/<uuid:object_id>/change/", shared.to_page("admin:loan")),
        path("ledger/journalentry/<uuid:object_id>/change/", shared.to_page("admin:books_entry")),
        path("ledger/account/<uuid:object_id>/change/", shared.to_page("admin:books_account")),
        path("common/changerequest/<uuid:object_id>/change/", shared.to_page("admin:approval")),
    ]
