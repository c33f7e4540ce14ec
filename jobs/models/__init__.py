"""Jobs and what happens to them, a file per thing."""

from jobs.models.batch import Batch, BatchItem
from jobs.models.definition import Definition, Draft, Version
from jobs.models.job import Folder, Job, JobQuerySet
from jobs.models.measurement import Measurement
from jobs.models.operation import Operation, OperationStep, Problem
from jobs.models.run import Restart, Run, Snapshot
from jobs.models.search import SearchEntry

__all__ = [
    "Batch",
    "BatchItem",
    "Definition",
    "Draft",
    "Folder",
    "Job",
    "JobQuerySet",
    "Measurement",
    "Operation",
    "OperationStep",
    "Problem",
    "Restart",
    "Run",
    "SearchEntry",
    "Snapshot",
    "Version",
]
