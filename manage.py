#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line
from django.db import NotSupportedError, OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
    try:
        execute_from_command_line(sys.argv)
    except (NotSupportedError, OperationalError) as error:
        if "--traceback" in sys.argv:
            raise
        home = (
            "" if os.environ.get("DATABASE_URL") else " The embedded one answers while ./oceanus up runs on the home."
        )
        sys.exit(f"No success with the database: {str(error).strip()}{home}")
