from django.urls import path

from apps.documents.api import views

urlpatterns = [
    path("me/documents", views.DocumentListView.as_view()),
    path("me/documents/<uuid:document_id>/file", views.DocumentFileView.as_view()),
]
