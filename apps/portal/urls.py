from django.urls import path

from apps.portal.views import orders, public, session

app_name = "portal"
urlpatterns = [
    path("", public.home, name="home"),
    path("login/", session.sign_in, name="login"),
    path("logout/", session.sign_out, name="logout"),
    path("orders/", orders.orders, name="orders"),
    path("orders/new/", orders.new_order, name="new_order"),
    path("orders/<uuid:order_id>/", orders.order, name="order"),
    path("orders/<uuid:order_id>/live/", orders.live, name="live"),
    path("orders/<uuid:order_id>/contract/", orders.make_contract, name="make_contract"),
    path("orders/<uuid:order_id>/contract.pdf", orders.contract_pdf, name="contract_pdf"),
    path("orders/<uuid:order_id>/pickup/", orders.pick_up, name="pick_up"),
    path("orders/<uuid:order_id>/voucher.pdf", orders.voucher_pdf, name="voucher_pdf"),
    path("orders/<uuid:order_id>/withdraw/", orders.withdraw, name="withdraw"),
    path("orders/<uuid:order_id>/papers/<slug:kind>/", orders.upload_paper, name="upload_paper"),
    path("vehicles/search/", orders.search_vehicles, name="search_vehicles"),
    path("verify/", public.verify, name="verify"),
    path("calculator/", public.calculator, name="calculator"),
    path("manifest.webmanifest", public.manifest, name="manifest"),
]
