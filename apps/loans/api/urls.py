from django.urls import path

from apps.loans.api import operations, security, views

urlpatterns = [
    path("me/loans", views.LoansView.as_view()),
    path("me/loans/<uuid:loan_id>", views.LoanView.as_view()),
    path("me/loans/<uuid:loan_id>/statement", views.StatementView.as_view()),
    path("me/loans/<uuid:loan_id>/payoff", views.PayoffView.as_view()),
    path("loans/<uuid:loan_id>/security", security.SecurityView.as_view()),
    path("loans/<uuid:loan_id>/pledges", security.PledgesView.as_view()),
    path("loans/<uuid:loan_id>/parties", security.PartiesView.as_view()),
    path("collateral", security.CollateralView.as_view()),
    path("collateral-values", security.ValuesView.as_view()),
    path("loan-operations", operations.OperationsView.as_view()),
    path("loan-operations/batch", operations.BatchView.as_view()),
    path("loans/<uuid:loan_id>/operations", operations.ProposalsView.as_view()),
    path("loans/<uuid:loan_id>/operations/preview", operations.PreviewView.as_view()),
]
