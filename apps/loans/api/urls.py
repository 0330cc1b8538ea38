from django.urls import path

from apps.loans.api import views

urlpatterns = [
    path("me/loans", views.LoansView.as_view()),
    path("me/loans/<uuid:loan_id>", views.LoanView.as_view()),
    path("me/loans/<uuid:loan_id>/statement", views.StatementView.as_view()),
    path("me/loans/<uuid:loan_id>/payoff", views.PayoffView.as_view()),
]
