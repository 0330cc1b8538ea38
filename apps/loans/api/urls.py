from django.urls import path

from apps.loans.api import branches, extras, funders, lease, operations, owners, security, views

urlpatterns = [
    path("me/loans", views.LoansView.as_view()),
    path("me/loans/<uuid:loan_id>", views.LoanView.as_view()),
    path("me/loans/<uuid:loan_id>/statement", views.StatementView.as_view()),
    path("me/loans/<uuid:loan_id>/payoff", views.PayoffView.as_view()),
    path("loans", extras.LoansByExtraView.as_view()),
    path("loans/<uuid:loan_id>/security", security.SecurityView.as_view()),
    path("loans/<uuid:loan_id>/pledges", security.PledgesView.as_view()),
    path("loans/<uuid:loan_id>/parties", security.PartiesView.as_view()),
    path("loans/<uuid:loan_id>/extras", extras.ExtrasView.as_view()),
    path("loans/<uuid:loan_id>/branches", branches.LoanBranchesView.as_view()),
    path("loans/<uuid:loan_id>/claims", extras.ClaimsView.as_view()),
    path("loans/<uuid:loan_id>/lease", lease.LeaseView.as_view()),
    path("loans/<uuid:loan_id>/lease/car", lease.CarView.as_view()),
    path("collateral", security.CollateralView.as_view()),
    path("collateral-values", security.ValuesView.as_view()),
    path("loan-owners", owners.OwnersView.as_view()),
    path("loan-owners/pools", owners.PoolsView.as_view()),
    path("loan-owners/settlements", owners.OwnerSettlementsView.as_view()),
    path("loan-owners/<str:owner>/statement", owners.OwnerStatementView.as_view()),
    path("funders", funders.FundersView.as_view()),
    path("funders/<str:party_ref>/statement", funders.FunderStatementView.as_view()),
    path("loan-operations", operations.OperationsView.as_view()),
    path("loan-operations/batch", operations.BatchView.as_view()),
    path("loans/<uuid:loan_id>/operations", operations.ProposalsView.as_view()),
    path("loans/<uuid:loan_id>/operations/preview", operations.PreviewView.as_view()),
]
