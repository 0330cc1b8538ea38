from django.urls import path

from apps.portal.views import deeds, new_order, orders, papers, public, session

app_name = "portal"
urlpatterns = [
    path("", public.home, name="home"),
    path("login/", session.sign_in, name="login"),
    path("logout/", session.sign_out, name="logout"),
    path("orders/", orders.orders, name="orders"),
    path("orders/new/", new_order.new_order, name="new_order"),
    path("orders/<uuid:order_id>/", orders.order, name="order"),
    path("orders/<uuid:order_id>/live/", orders.live, name="live"),
    path("orders/<uuid:order_id>/submit/", deeds.submit_again, name="submit_again"),
    path("orders/<uuid:order_id>/again/", deeds.apply_again, name="apply_again"),
    path("orders/<uuid:order_id>/contract/", deeds.make_contract, name="make_contract"),
    path("orders/<uuid:order_id>/contract.pdf", papers.contract_pdf, name="contract_pdf"),
    path("orders/<uuid:order_id>/pickup/", deeds.pick_up, name="pick_up"),
    path("orders/<uuid:order_id>/voucher/", orders.voucher, name="voucher"),
    path("orders/<uuid:order_id>/voucher.pdf", papers.voucher_pdf, name="voucher_pdf"),
    path("orders/<uuid:order_id>/withdraw/", deeds.withdraw, name="withdraw"),
    path("orders/<uuid:order_id>/papers/<slug:kind>/", deeds.upload_paper, name="upload_paper"),
    path("agreement.pdf", papers.agreement_pdf, name="agreement_pdf"),
    path("vehicles/search/", new_order.search_vehicles, name="search_vehicles"),
    path("verify/", public.verify, name="verify"),
    path("calculator/", public.calculator, name="calculator"),
    path("app/", public.app_page, name="app"),
    path("app/orders/<uuid:order_id>/", public.app_page, name="app_order"),
    path("manifest.webmanifest", public.manifest, name="manifest"),
]
