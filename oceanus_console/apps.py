from django.apps import AppConfig
from django.core.checks import Tags, register

from oceanus_console import checks


class ConsoleConfig(AppConfig):
    name = "oceanus_console"
    verbose_name = "Oceanus Console"

    def ready(self) -> None:
        register(checks.numbers, Tags.security)
        register(checks.log_format)
        register(checks.debug_in_public, Tags.security)
        register(checks.secret_key, Tags.security, deploy=True)
        register(checks.any_host, Tags.security, deploy=True)
