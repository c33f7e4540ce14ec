from django.contrib import admin
from django.urls import include, path

from oceanus_console.health import healthz

urlpatterns = [
    path("", include("workspaces.urls")),
    path("", include("clusters.urls")),
    path("", include("jobs.urls")),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
]
