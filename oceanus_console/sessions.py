"""Sessions in the database, asked only for keys that we could have given."""

import re
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore


class SessionStore(DatabaseStore):
    def _validate_session_key(self, key: Any) -> bool:
        """Refuse nonsense in a cookie (a NUL byte, for one) before PostgreSQL does."""
        return bool(re.fullmatch(r"[0-9a-z]{8,40}", key or ""))
