"""The texts that users see, gathered from the sources without GNU gettext, and the catalogues that translate them."""

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

APPS = ["oceanus_console", "workspaces", "clusters", "jobs", "api"]
# function -> where its arguments stand: (context, "c"), text, plural
KEYWORDS = {
    **dict.fromkeys(["_", "N_", "gettext", "gettext_lazy", "gettext_noop"]),
    **dict.fromkeys(["ngettext", "ngettext_lazy"], (1, 2)),
    **dict.fromkeys(["pgettext", "pgettext_lazy"], ((1, "c"), 2)),
    **dict.fromkeys(["npgettext", "npgettext_lazy"], ((1, "c"), 2, 3)),
}


def gather() -> Catalog:
    """Return a catalogue without translations of all texts in Python sources and templates."""
    catalogue = Catalog(project="oceanus-console", charset="utf-8")
    for path, source in _sources():
        for line, text, _comments, context in extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS):
            place = str(path.relative_to(settings.BASE_DIR))
            flags = ["python-format"] if "%(" in str(text) else []
            catalogue.add(text, locations=[(place, line)], context=context, flags=flags)
    return catalogue


def _sources() -> Iterator[tuple[Path, str]]:
    for app in APPS:
        for path in sorted((settings.BASE_DIR / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, path.read_text()
    templates = settings.BASE_DIR / "templates"
    for path in sorted([*templates.rglob("*.html"), *templates.rglob("*.txt")]):
        # What is left of a template is Python but for its indentation.
        calls = templatize(path.read_text(), origin=str(path))
        yield path, "\n".join(line.strip() for line in calls.splitlines())


def catalogue_path() -> Path:
    return settings.BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"


def read_catalogue() -> Catalog:
    path = catalogue_path()
    if not path.exists():
        return Catalog(locale="zh_Hans", header_comment="# The Chinese texts of Oceanus Console.", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale="zh_Hans")


def update_catalogue() -> tuple[int, int]:
    """Bring new texts into the Chinese catalogue and take old ones out; return how many there are, and how many lack."""
    catalogue, gathered = read_catalogue(), gather()
    gathered.creation_date = catalogue.creation_date  # else every run would change the file
    catalogue.update(gathered, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    for message in catalogue:
        message.locations = sorted({(place, 0) for place, _line in message.locations})
    catalogue_path().parent.mkdir(parents=True, exist_ok=True)
    with catalogue_path().open("wb") as file:
        write_po(file, catalogue, width=120, sort_output=True, include_lineno=False)
    return len(catalogue), len(untranslated(catalogue))


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts that have no translation, or a doubtful one."""
    return [str(message.id) for message in catalogue if message.id and (message.fuzzy or not _is_complete(message))]


def _is_complete(message: Message) -> bool:
    return all([message.string] if isinstance(message.string, str) else message.string or [""])
