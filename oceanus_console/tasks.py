"""What Celery wakes up for the console itself."""

from celery import shared_task

from oceanus_console import audit, retention

SEALS_IN_A_TURN = 5


@shared_task(name="oceanus_console.seal")
def seal() -> None:
    """Seal what was settled since the last turn; a backlog takes several turns."""
    for _turn in range(SEALS_IN_A_TURN):
        if audit.seal() is None:
            break


@shared_task(name="oceanus_console.remove_old")
def remove_old() -> None:
    """Remove what is old and over; a backlog takes several turns."""
    retention.remove_old()
