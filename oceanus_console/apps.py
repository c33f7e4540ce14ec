from django.apps import AppConfig
from django.core.checks import Tags, register

from oceanus_console import checks
from oceanus_console.celery import app
from workspaces import pooler


class ConsoleConfig(AppConfig):
    name = "oceanus_console"
    verbose_name = "Oceanus Console"

    def ready(self) -> None:
        app.set_default()  # every thread that wakes up a task by its name does it through this one
        pooler.watch_connections()
        register(checks.numbers, Tags.security)
        register(checks.log_format)
        register(checks.log_level)
        register(checks.debug_in_public, Tags.security)
        register(checks.secret_key, Tags.security, deploy=True)
        register(checks.any_host, Tags.security, deploy=True)
        register(checks.database, deploy=True)
