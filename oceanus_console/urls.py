from django.contrib import admin
from django.urls import include, path

from oceanus_console import sign_in
from oceanus_console.former_files import former_file
from oceanus_console.health import healthz, livez, readyz
from oceanus_console.metrics.page import metrics

admin.autodiscover()

urlpatterns = [
    path("", include("workspaces.urls")),
    path("", include("clusters.urls")),
    path("", include("jobs.urls")),
    path("", include("api.urls")),
    path("password/", sign_in.ChangePassword.as_view(), name="password"),
    path("admin/login/", sign_in.admin_door, name="admin-door"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("livez", livez, name="livez"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("static/<path:path>", former_file, name="former-file"),
]
handler400 = "oceanus_console.refused.bad_request"
handler500 = "oceanus_console.unavailable.server_error"
