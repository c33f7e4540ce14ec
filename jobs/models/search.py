"""By what a job is found."""

from django.db import models

from jobs.models.job import Job
from workspaces.models import Workspace


class SearchEntry(models.Model):
    """What people search a job by, apart from its row: that changes with every step of an operation, and an index with it.

    Triggers on the jobs write it (migration 0008), and it has an index of its two and three letter pieces.
    """

    job = models.OneToOneField(Job, models.CASCADE, primary_key=True, related_name="search_entry")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+", db_index=False)
    words = models.TextField()

    def __str__(self) -> str:
        return self.words
