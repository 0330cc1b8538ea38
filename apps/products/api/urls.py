from django.urls import path

from apps.products.api import views

urlpatterns = [
    path("vehicles", views.VehiclesView.as_view()),
    path("products", views.ProductsView.as_view()),
    path("calculator", views.CalculatorView.as_view()),
]
