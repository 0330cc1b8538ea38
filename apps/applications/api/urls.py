from django.urls import path

from apps.applications.api import views

urlpatterns = [
    path("me/applications", views.ApplicationsView.as_view(), name="me-applications"),
    path("me/applications/<uuid:application_id>", views.ApplicationView.as_view(), name="me-application"),
    path("me/applications/<uuid:application_id>/offers", views.OffersView.as_view(), name="me-application-offers"),
    path("me/applications/<uuid:application_id>/accept", views.AcceptOfferView.as_view(), name="me-application-accept"),
    path("me/applications/<uuid:application_id>/withdraw", views.WithdrawView.as_view(), name="me-application-withdraw"),
]
