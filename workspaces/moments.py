"""Times that rows are given when they are written."""

from __future__ import annotations

from typing import Any

from django.db import models

from workspaces import clock


class AnyTime(type):
    """Let every time pass for one of these: expressions may mix them, and Django asks each whether it is of the other's class."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, models.DateTimeField)


class MomentField(models.DateTimeField, metaclass=AnyTime):
    """A time that comes by itself (`auto_now`, `auto_now_add`), from the clock that all machines share."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        if self.auto_now or (self.auto_now_add and add):
            setattr(model_instance, self.attname, clock.now())
            return getattr(model_instance, self.attname)
        return super().pre_save(model_instance, add)

    def deconstruct(self) -> Any:
        """Be any other time to migrations."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
