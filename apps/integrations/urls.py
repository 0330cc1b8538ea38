"""Addresses of the callbacks, one per party that reports later."""

from django.urls import path

from apps.integrations import callbacks, views

app_name = "integrations"
urlpatterns = [path(f"{party}/", views.callback, {"party": party}, name=f"callback-{party}") for party in callbacks.PARTIES]
