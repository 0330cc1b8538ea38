from django.urls import path

from apps.postloan.api import views

urlpatterns = [path("me/loans/<uuid:loan_id>/statement.pdf", views.StatementFileView.as_view())]
