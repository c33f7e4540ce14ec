"""Asking a Flink endpoint now how it is: the one look that a person waits for."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from clusters.engine import EngineError
from clusters.models import FlinkEndpoint
from clusters.network import told


@dataclass(frozen=True, slots=True)
class Answer:
    level: str  # ok, warn or bad: a notice of static/css/parts.css
    text: str


def ask(endpoint: FlinkEndpoint) -> Answer:
    """Ask the endpoint for its version and slots; waits for at most the driver's time-out (some 13 seconds)."""
    names = {"address": endpoint.rest_url, "expected": endpoint.flink_version}
    try:
        found = endpoint.engine().capacity()
    except EngineError as error:
        return Answer("bad", _("%(address)s does not answer: %(reason)s") % (names | {"reason": told(error.summary)}))
    names |= {"version": found.version, "free": str(found.slots_free), "total": str(found.slots_total)}
    if found.version != endpoint.flink_version:
        return Answer(
            "warn",
            _("%(address)s answers, but it is Flink %(version)s, not %(expected)s. Correct the version.") % names,
        )
    return Answer("ok", _("%(address)s answers: Flink %(version)s, %(free)s of %(total)s slots free.") % names)
