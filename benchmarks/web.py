"""The console as the benchmarks serve it: the admin's list shows as many rows as ours, everything else is as it is."""

from django.apps import apps
from django.contrib import admin

from benchmarks import ROWS
from oceanus_console.wsgi import application

type(admin.site.get_model_admin(apps.get_model("jobs", "Job"))).list_per_page = ROWS

__all__ = ["application"]
