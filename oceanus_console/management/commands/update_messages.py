from typing import Any

from django.core.management.base import BaseCommand

from oceanus_console.messages import update_catalogue


class Command(BaseCommand):
    help = "Bring new texts from the sources into the translation catalogue (for translators; needs no GNU gettext)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        total, lacking = update_catalogue()
        self.stdout.write(f"{total} texts, {lacking} without a translation")
