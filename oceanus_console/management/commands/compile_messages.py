from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Compile the translation catalogues (.po to .mo). Unlike Django's compilemessages it needs no GNU gettext."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        for directory in settings.LOCALE_PATHS:
            for source in sorted(Path(directory).rglob("*.po")):
                with source.open("rb") as file:
                    catalogue = read_po(file, abort_invalid=True)
                partial = source.with_suffix(".partial")
                with partial.open("wb") as file:
                    write_mo(file, catalogue)
                partial.replace(source.with_suffix(".mo"))
                self.stdout.write(f"{source}: {sum(bool(m.id and m.string) for m in catalogue)} messages")
