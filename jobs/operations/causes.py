"""Why jobs failed, as Flink tells it: asked of many jobs at a time, before each of them is judged."""

from collections.abc import Sequence
from functools import partial

from clusters.engine import Engine, EngineError, Failure, NotFound
from jobs.advice import known_of
from jobs.known_errors import NOT_ENOUGH_SLOTS
from jobs.masking import secrets_in
from jobs.models import Problem, Run
from jobs.operations.at_once import AT_A_TIME, while_answered
from jobs.operations.record import problem, problem_without
from workspaces.variables import hidden_values


class Causes:
    """What one look learns of failures. Of whom it was not asked beforehand, it asks when it is to tell."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._told: dict[str, Failure | EngineError] = {}
        self._hidden: dict[int, set[str]] = {}
        self._slots: int | None = None

    def ask(self, job_ids: Sequence[str]) -> None:
        """Ask Flink for the causes of these failures; what goes wrong with one is raised when that one is to be told."""
        answers = while_answered([partial(self._engine.failure, job_id) for job_id in job_ids], first=AT_A_TIME)
        self._told |= zip(job_ids, answers, strict=True)

    def of(self, run: Run) -> Problem:
        """Keep why Flink says that the job failed. Raise EngineError when it does not say."""
        told = self._told.get(run.flink_job_id)
        try:
            failure = self._engine.failure(run.flink_job_id) if told is None else _answered(told)
        except NotFound:
            return problem("failed-without-cause")
        if not failure.summary:
            return problem("failed-without-cause")
        known = known_of(f"{failure.summary}\n{failure.trace}")
        is_without_slots = known["known"] == NOT_ENOUGH_SLOTS.title and not self.has_slots()
        code = "no-taskmanager" if is_without_slots else "flink"
        return problem_without(self._secrets(run), code, failure.summary, failure.trace, known)

    def has_slots(self) -> bool:
        """Tell whether Flink has any slots, free or not: without a TaskManager it has none. Raise EngineError."""
        if self._slots is None:
            self._slots = self._engine.capacity().slots_total
        return self._slots > 0

    def _secrets(self, run: Run) -> set[str]:
        """Return what Flink's words about a run must not tell; those of a workspace are read once for all of its runs."""
        workspace = run.version.job.workspace_id
        if workspace not in self._hidden:
            self._hidden[workspace] = hidden_values(workspace)
        return secrets_in(run.version.sql, run.version.properties) | self._hidden[workspace]


def _answered(told: Failure | EngineError) -> Failure:
    if isinstance(told, EngineError):
        raise told
    return told
