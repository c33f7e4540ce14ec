"""What Celery wakes up for the console itself."""

from celery import shared_task

from oceanus_console import audit

SEALS_IN_A_TURN = 5


@shared_task(name="oceanus_console.seal")
def seal() -> None:
    """Seal what was settled since the last turn; a backlog takes several turns."""
    for _turn in range(SEALS_IN_A_TURN):
        if audit.seal() is None:
            break
