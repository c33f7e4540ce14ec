"""What a line of the log is about, how often it is told, and log records as JSON. No Django in here: logging is set up before Django is."""

import json
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from jobs.masking import mask

_subject: ContextVar[dict[str, str]] = ContextVar("subject")
TOLD_AGAIN_AFTER_SECONDS = 60.0
# By which Celery tells one message from the next.
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


class RepetitionFilter(logging.Filter):
    """Let the same warning or error about the same thing pass once a minute, and tell then how often it was left out since.

    Who is away for hours is asked for every second: that must not fill the disk with the same trace.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.told: dict[tuple[str, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        error = repr(record.exc_info[1]) if record.exc_info else ""
        what = (record.name, UUID.sub("", record.getMessage()), error, *_subject.get({}).values())
        with self.lock:
            told_at, left_out = self.told.get(what, (0.0, 0))
            if record.created - told_at < TOLD_AGAIN_AFTER_SECONDS:
                self.told[what] = (told_at, left_out + 1)
                return False
            self.told = {
                one: told for one, told in self.told.items() if record.created - told[0] < 10 * TOLD_AGAIN_AFTER_SECONDS
            }
            self.told[what] = (record.created, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} times since this was last told)", None
        return True


class WithoutTrace(logging.Filter):
    """Make a warning in one line of what others did wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info, record.levelno, record.levelname = None, logging.WARNING, "WARNING"
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
