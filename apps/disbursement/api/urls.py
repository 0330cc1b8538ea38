from django.urls import path

from apps.disbursement.api import views

urlpatterns = [
    path("me/loans/<uuid:loan_id>/repayments", views.LoanRepaymentsView.as_view(), name="me-loan-repayments"),
    path("me/repayments/<uuid:order_id>", views.RepaymentView.as_view(), name="me-repayment"),
]
