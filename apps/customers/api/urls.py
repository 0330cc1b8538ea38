from django.urls import path

from apps.customers.api import views

urlpatterns = [
    path("auth/codes", views.LoginCodeView.as_view()),
    path("auth/token", views.TokenView.as_view()),
    path("auth/token/refresh", views.TokenRefreshView.as_view()),
    path("consents/texts", views.ConsentTextsView.as_view()),
    path("me", views.MeView.as_view()),
    path("me/consents", views.ConsentsView.as_view()),
    path("me/consents/withdraw", views.ConsentWithdrawalView.as_view()),
    path("me/profile", views.ProfileView.as_view()),
    path("me/contacts", views.ContactsView.as_view()),
    path("me/contacts/<uuid:contact_id>", views.ContactView.as_view()),
    path("me/identity-checks", views.IdentityChecksView.as_view()),
    path("me/liveness", views.LivenessView.as_view()),
    path("me/cards", views.CardsView.as_view()),
    path("me/cards/<uuid:card_id>", views.CardView.as_view()),
    path("me/cards/<uuid:card_id>/default", views.CardDefaultView.as_view()),
    path("me/cards/<uuid:card_id>/debit-agreement", views.CardDebitView.as_view()),
]
