"""Choose which further versions of Flink the console runs; ./oceanus flink installs them before this is called."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from oceanus_console import embedded
from oceanus_console.home import Home

AT_THE_NEXT_START = "It counts from the next start: if ./oceanus up is running, end it (Ctrl-C) and start it again."


class Command(BaseCommand):
    help = "List the versions of Flink, or choose which further ones the console runs, each as a cluster of its own."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["list", "add", "remove"])
        parser.add_argument("version", nargs="?", help="for example 1.20.5")

    def handle(self, *args: Any, act: str, version: str | None, **options: Any) -> None:
        home = Home(settings.HOME)
        if act == "list":
            if version:
                raise CommandError("list takes no version.")
            self._list(home)
        elif not version:
            raise CommandError(f"Which version? For example: ./oceanus flink {act} {embedded.further_versions()[0]}")
        elif version == embedded.DEFAULT_FLINK:
            raise CommandError(f"Flink {version} is the default and always runs.")
        elif act == "add":
            self._add(home, version)
        else:
            self._remove(home, version)

    def _list(self, home: Home) -> None:
        self.stdout.write(f"{embedded.DEFAULT_FLINK:<8} the default, always runs")
        chosen = home.flink_versions()
        for version in embedded.further_versions():
            self.stdout.write(f"{version:<8} {'runs with the console' if chosen.get(version) else 'can be added'}")

    def _add(self, home: Home, version: str) -> None:
        known = embedded.further_versions()
        if version not in known:
            raise CommandError(f"Flink {version} can't be added here. Those that can: {', '.join(known)}.")
        try:
            embedded.flink_distribution(version)
        except embedded.NotInstalled as error:
            raise CommandError(str(error)) from None
        if home.flink_versions().get(version):
            self.stdout.write(f"Flink {version} was added before.")
        else:
            home.choose_flink(version, True)
            self.stdout.write(f"Flink {version} is added, as the cluster flink-{version}.")
        self.stdout.write(AT_THE_NEXT_START)

    def _remove(self, home: Home, version: str) -> None:
        if not home.flink_versions().get(version):
            raise CommandError(f"Flink {version} is not among those that were added.")
        home.choose_flink(version, False)
        self.stdout.write(f"Flink {version} is removed; the cluster flink-{version} will be under maintenance.")
        self.stdout.write("Its jobs and their state stay, and come back if you add it again.")
        self.stdout.write(AT_THE_NEXT_START)
