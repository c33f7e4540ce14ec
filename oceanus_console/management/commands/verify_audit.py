from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oceanus_console import audit
from oceanus_console.models import Removal, Seal, Unsealed

SHOWN = 20


def noted_seal(text: str) -> tuple[int, str]:
    number, _colon, digest = text.partition(":")
    if not (number.isdecimal() and len(digest) == 64):
        raise ArgumentTypeError("NUMBER:DIGEST, as this command has printed them")
    return int(number), digest.lower()


class Command(BaseCommand):
    help = "Check the whole record of acts against its seals. Ends with 1 and names what was changed, removed or slipped in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect",
            type=noted_seal,
            metavar="NUMBER:DIGEST",
            help="a seal as printed before and kept elsewhere: tells whether the chain is still the same one",
        )

    def handle(self, *args: Any, expect: tuple[int, str] | None, **options: Any) -> None:
        found = 0
        for fault in audit.faults(expect):
            found += 1
            self.stdout.write(fault)
            if found == SHOWN:
                self.stdout.write("... and maybe more.")
                break
        self._tell_removals()
        self._tell_head()
        if found:
            raise CommandError("The record is not what was sealed; the first fault is named first.")

    def _tell_removals(self) -> None:
        last = Removal.objects.order_by("-pk").first()
        if last:
            count = sum(map(len, Removal.objects.values_list("ids", flat=True).iterator(chunk_size=1)))
            self.stdout.write(
                f"{count} rows were removed because of their age, the last of them on {last.at:%Y-%m-%d %H:%M:%S} UTC: "
                f"records are kept since {last.kept_since:%Y-%m-%d %H:%M:%S} UTC."
            )

    def _tell_head(self) -> None:
        head = Seal.objects.order_by("-number").only("number", "at", "digest").first()
        if head:
            self.stdout.write(f"Last seal, of {head.at:%Y-%m-%d %H:%M:%S} UTC: {head.number}:{head.digest}")
        else:
            self.stdout.write("There is no seal yet.")
        if waiting := Unsealed.objects.count():
            self.stdout.write(f"{waiting} rows wait for the next seal.")
