"""Measurement: what a running job was seen to do while somebody looked."""

from __future__ import annotations

from typing import Any

from django.db import models

from jobs.models.run import Run


class Measurement(models.Model):
    """One row per run that somebody looked at, of bounded size (jobs/operations/measure.py). Times are milliseconds, as Flink's are."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="measurement")
    # When somebody last wanted it anew; null: nobody is on his way to measure.
    asked_at = models.DateTimeField(null=True)
    measured_at = models.DateTimeField(null=True)
    # [time, records read per second or null], oldest first.
    throughput: models.JSONField[list[Any], list[Any]] = models.JSONField(default=list)
    # What clusters.engine.CheckpointFigures says, oldest first.
    checkpoints: models.JSONField[list[Any], list[Any]] = models.JSONField(default=list)
    # The rest of clusters.engine.Figures.
    newest: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)

    # The same of what was thrown in it: when it was wanted, when Flink told of it, and what that was, newest first; null: never.
    exceptions_asked_at = models.DateTimeField(null=True)
    exceptions_seen_at = models.DateTimeField(null=True)
    exceptions: models.JSONField[list[Any] | None, list[Any] | None] = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.run_id} {self.measured_at}"
