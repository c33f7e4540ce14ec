"""Seal all hidden values anew under OCEANUS_SECRET_KEY, so that the former keys are not needed any more."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from workspaces.models import RetiredValue, Variable
from workspaces.sealed import Unreadable, reseal


class Command(BaseCommand):
    help = "Seal the values of hidden variables anew; then OCEANUS_SECRET_KEY_FALLBACKS can be taken away."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        lost = []
        sealed: list[Variable | RetiredValue] = [*Variable.objects.select_for_update().filter(is_hidden=True)]
        sealed += RetiredValue.objects.select_for_update()
        for one in sealed:
            try:
                one.value = reseal(one.value)
            except Unreadable:
                lost.append(str(one))
                continue
            one.save(update_fields=["value"])
        if lost:
            raise CommandError(f"Nothing was changed: no key of ours opens {', '.join(lost)}.")
        self.stdout.write("All hidden values are sealed under the present key.")
