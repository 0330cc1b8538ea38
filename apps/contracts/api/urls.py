from django.urls import path

from apps.contracts.api import views

urlpatterns = [
    path("me/contracts", views.ContractListView.as_view()),
    path("me/contracts/<uuid:contract_id>", views.ContractView.as_view()),
    path("me/contracts/<uuid:contract_id>/file", views.ContractFileView.as_view()),
    path("me/contracts/<uuid:contract_id>/sign", views.ContractSignView.as_view()),
]
