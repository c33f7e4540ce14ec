"""The environment that settings.py reads: what can't be understood there ends the process with a sentence."""

import os
import sys
from typing import Any
from zoneinfo import ZoneInfo

import environ

YES, NO = environ.Env.BOOLEAN_TRUE_STRINGS, ("false", "off", "n", "no", "0", "")


class Environment(environ.Env):
    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        text = os.environ.get(var, "")
        # The library takes for false whatever it does not know.
        if cast is bool and text.strip().lower() not in (*YES, *NO):
            sys.exit(f"{var} must be true or false, not {text!r}.")
        try:
            return super().get_value(var, cast, *args, **kwargs)
        except ValueError:
            if cast is not int:
                raise
            sys.exit(f"{var} must be a whole number, not {text!r}.")

    def time_zone(self, var: str, default: str) -> str:
        name = str(self.str(var, default=default))
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # which of them depends on what is wrong with it
            sys.exit(f"{var} must be the name of a time zone, such as Asia/Shanghai, not {name!r}.")
        return name
