from django.urls import path

from api import views

# The API itself has no address here: api/gate.py takes its calls before pages are asked.
urlpatterns = [
    path("access-keys/", views.access_keys, name="access-keys"),
    path("api-clients/", views.api_clients, name="api-clients"),
    path("access-keys/new/", views.new, name="new-access-key"),
    path("access-keys/<slug:serial>/revoke/", views.revoke, name="revoke-access-key"),
]
