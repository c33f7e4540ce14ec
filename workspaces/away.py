"""Whether something failed because PostgreSQL can't do its work just now: no bug of ours, and soon over."""

from django.db import InterfaceError, NotSupportedError, OperationalError
from psycopg.errors import ReadOnlySqlTransaction


def is_away(error: BaseException | None) -> bool:
    """Tell it of an error: PostgreSQL does not answer, has no room, may only be read, or is too old."""
    away = isinstance(error, (OperationalError, InterfaceError, NotSupportedError))
    return away or isinstance(error and error.__cause__, ReadOnlySqlTransaction)
