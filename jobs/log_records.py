"""What a line of the log is about, and log records as JSON. No Django in here: logging is set up before Django is."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from jobs.masking import mask

_subject: ContextVar[dict[str, str]] = ContextVar("subject")


@contextmanager
def subject(**serials: str) -> Iterator[None]:
    """Write with every record made in this block what it is about: operation, job, batch, by their IDs."""
    token = _subject.set(_subject.get({}) | {what: serial for what, serial in serials.items() if serial})
    try:
        yield
    finally:
        _subject.reset(token)


class SubjectFilter(logging.Filter):
    """Note on the record itself what it is about: it may be written elsewhere than where it was made."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.subject = _subject.get({})
        return True


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON, each of its texts without what stands under the name of a secret."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "subject", {}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        if record.stack_info:
            told["stack"] = self.formatStack(record.stack_info)
        # Before JSON: its quotes and backslashes are not for masking to change.
        return json.dumps({key: mask(text) for key, text in told.items()})
