"""`python -m oceanus_console.beat`: wake up what is due by the schedule. It knows names of tasks; neither them nor any model."""

from logging.config import dictConfig

from celery.apps.beat import Beat
from django.apps import apps
from django.conf import settings

from oceanus_console.celery import app
from workspaces.pooler import refuse_at_start


class NamesOnly(Beat):
    """Celery's beat, without the modules that hold the tasks."""

    def init_loader(self) -> None:
        dictConfig(settings.LOGGING)
        apps.populate([])  # Django is ready, with none of the apps: the database may be asked
        app.finalize()
        refuse_at_start()


if __name__ == "__main__":
    NamesOnly(app=app, quiet=True).run()
