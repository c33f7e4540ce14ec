"""What can be clicked about a problem: the acts that an entry of jobs/known_errors.py names, as buttons. Data, not code."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.advice import advice_for
from jobs.models import Job, Problem
from jobs.states import Action

# Offered for every problem that knows its line in the script, whatever its entry says.
AT_ITS_LINE = "edit-line"


@dataclass(frozen=True, slots=True)
class Button:
    """An address of the console (of the job, or of its workspace), and what must be allowed for it to make sense."""

    label: str | Promise
    address: str
    needs: Action
    query: tuple[tuple[str, str], ...] = ()
    anchor: str = ""
    is_dialog: bool = False
    is_of_workspace: bool = False


BUTTONS = {
    "run-without-state": Button(
        gettext_lazy("Run without state"), "run", Action.RUN, (("start", "none"),), is_dialog=True
    ),
    "run-skipping-state": Button(
        gettext_lazy("Run, skipping state that does not fit"),
        "run",
        Action.RUN,
        (("start", "latest"), ("allow", "1")),
        is_dialog=True,
    ),
    "run-from-newest": Button(
        gettext_lazy("Run from the newest restore point"), "run", Action.RUN, (("start", "latest"),), is_dialog=True
    ),
    "run-again": Button(gettext_lazy("Run again"), "run", Action.RUN, is_dialog=True),
    "stop-again": Button(gettext_lazy("Stop with a snapshot"), "stop", Action.STOP, is_dialog=True),
    "stop-without-snapshot": Button(
        gettext_lazy("Stop without a snapshot"), "stop", Action.STOP, (("snapshot", "0"),), is_dialog=True
    ),
    "snapshot-again": Button(gettext_lazy("Create a snapshot"), "snapshot", Action.SNAPSHOT, is_dialog=True),
    "set-parallelism": Button(gettext_lazy("Change the parallelism"), "draft", Action.SAVE, anchor="id_parallelism"),
    "set-checkpoints": Button(
        gettext_lazy("Change the checkpoint interval"), "draft", Action.SAVE, anchor="id_checkpoint_interval_seconds"
    ),
    "set-properties": Button(
        gettext_lazy("Change the advanced properties"), "draft", Action.SAVE, anchor="id_properties"
    ),
    AT_ITS_LINE: Button(gettext_lazy("Edit line %(line)s"), "draft", Action.SAVE),
    "edit": Button(gettext_lazy("Edit the draft"), "draft", Action.SAVE),
    "see-snapshots": Button(gettext_lazy("Open the snapshots"), "snapshots", Action.SAVE),
    "see-cluster": Button(gettext_lazy("Open the clusters"), "clusters", Action.SAVE, is_of_workspace=True),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button as a page shows it."""

    label: str
    url: str
    is_dialog: bool


def remedies(job: Job, problem: Problem) -> list[Remedy]:
    """Return what may be done about `problem` of `job` right now, for somebody who may operate."""
    names = list(advice_for(problem).acts)
    if line := _line_of(problem):
        names = [AT_ITS_LINE, *(name for name in names if name != "edit")]
    return [_remedy(job, BUTTONS[name], line) for name in names if job.may(BUTTONS[name].needs)]


def fields_of(problem: Problem) -> list[Button]:
    """Return the buttons that lead to fields beside the script, for the page that shows them."""
    return [button for name in advice_for(problem).acts if (button := BUTTONS[name]).anchor]


def _remedy(job: Job, button: Button, line: int | None) -> Remedy:
    url = reverse(button.address, args=[job.workspace.serial if button.is_of_workspace else job.serial])
    is_at_line = button is BUTTONS[AT_ITS_LINE]
    query = urlencode({"line": line} if is_at_line else button.query)
    url += (f"?{query}" if query else "") + (f"#{button.anchor}" if button.anchor else "")
    label = _("Edit line %(line)s") % {"line": line} if is_at_line else str(button.label)
    return Remedy(label, url, button.is_dialog)


def _line_of(problem: Problem) -> int | None:
    line = problem.values.get("line")
    return line if isinstance(line, int) and line > 0 else None
