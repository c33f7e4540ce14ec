import logging
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, models
from django.utils import timezone

logger = logging.getLogger(__name__)


class Heartbeat(models.Model):
    """When a process without a port of its own (worker, beat) was last seen."""

    FRESH = timedelta(seconds=10)

    name = models.CharField(max_length=50, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"

    @classmethod
    def record(cls, name: str) -> None:
        """Say that the process is there. Without a database it says so in the log only: the next beat tries again."""
        try:
            close_old_connections()
            Heartbeat.objects.bulk_create(
                [Heartbeat(name=name, at=timezone.now())],
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["at"],
            )
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The heartbeat of %s was not recorded: %s", name, error)
            connection.close()

    @property
    def is_fresh(self) -> bool:
        return timezone.now() - self.at < self.FRESH
