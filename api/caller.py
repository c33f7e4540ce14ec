"""Who calls the API."""

from dataclasses import dataclass

from django.contrib.auth.models import User


@dataclass(frozen=True)
class Caller:
    """Whoever signed the request, and how he wants to be answered. While an action runs, his language is the active one."""

    user: User
    language: str  # "zh-hans" or "en"
    region: str  # as sent; any will do, and "" when none was
    request_id: str
