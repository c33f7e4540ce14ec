"""Signs of life of the processes without a port of their own (worker, beat). Without models, of which beat loads none."""

import logging

from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from workspaces import clock

logger = logging.getLogger(__name__)

RECORDED = """
    INSERT INTO oceanus_console_heartbeat (name, at) VALUES (%s, %s)
    ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at
"""


def record_heartbeat(name: str) -> None:
    """Say that the process is there. Without a database it says so in the log only: the next beat tries again."""
    try:
        close_old_connections()
        with connection.cursor() as cursor:
            cursor.execute(RECORDED, [name, clock.now()])
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The heartbeat of %s was not recorded: %s", name, error)
        connection.close()
