"""Each process loads what it needs: `up` and beat no models, the worker no pages; and each logs from the level that is set."""

import json

import pytest

from tests.test_deploy_check import run


def loaded_by(code: str) -> set[str]:
    result = run("-c", f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))")
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout))


def test_up_loads_neither_celery_nor_the_database() -> None:
    assert not loaded_by("import oceanus_console.up") & {"celery", "django.db", "django.template", "sqlglot"}


def test_beat_loads_no_models() -> None:
    beat = (
        "import warnings\nfrom oceanus_console import beat, heartbeat\n"
        "beat.NamesOnly(app=beat.app, quiet=True).init_loader()\n"
        "warnings.simplefilter('error')\nheartbeat.record_heartbeat('beat')"
    )
    assert not loaded_by(beat) & {"jobs.models", "jobs.tasks", "django.contrib.auth.models", "sqlglot"}


def test_a_worker_loads_its_tasks_and_no_pages() -> None:
    loaded = loaded_by(
        "import os\nos.environ['CELERY_SKIP_CHECKS'] = '1'\n"
        "from oceanus_console.worker import app\napp.loader.import_default_modules()"
    )
    assert {"jobs.tasks", "oceanus_console.tasks"} <= loaded
    assert not loaded & {"oceanus_console.urls", "jobs.views", "jobs.admin", "api.urls"}


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_celery_leaves_the_level_of_the_log(level: str) -> None:
    code = (
        "import logging\nfrom oceanus_console.celery import app\napp.loader.import_default_modules()\n"
        "app.log.setup('WARNING')\nprint(logging.getLevelName(logging.getLogger().level))"
    )
    result = run("-c", code, OCEANUS_LOG_LEVEL=level)
    assert result.stdout.split() == [level], result.stderr


def test_a_worker_loses_its_broker_without_advice_for_programmers() -> None:
    code = (
        "import logging, warnings\nfrom celery.exceptions import CPendingDeprecationWarning\n"
        "from celery.signals import worker_ready\nfrom oceanus_console.celery import app\n"
        "logging.basicConfig()\napp.log.setup('WARNING')\nworker_ready.send(sender=None)\n"
        "warnings.warn('what will be otherwise', CPendingDeprecationWarning)\nwarnings.warn('anything else')"
    )
    told = run("-c", code).stderr
    assert "anything else" in told
    assert "what will be otherwise" not in told
