"""Which static files of the installed packages we serve."""

from collections.abc import Iterable
from typing import Any

from django.contrib.staticfiles.finders import AppDirectoriesFinder

# The editor's wheel brings 3,700 files; these few are what a SQL editor needs (collecting all takes 15 s instead of 3).
NEEDED_ACE_FILES = {
    "django_ace/ace/ace.js",
    "django_ace/ace/mode-sql.js",
    "django_ace/ace/theme-chrome.js",
    "django_ace/ace/theme-tomorrow_night.js",
    "django_ace/ace/ext-searchbox.js",
    "django_ace/ace/css/ace.css",
    "django_ace/ace/css/theme/chrome.css",
    "django_ace/ace/css/theme/tomorrow_night.css",
}


# The editor's style sheets name their pictures, and the names are checked when files are collected.
NEEDED_ACE_PICTURES = ("django_ace/ace/css/main-", "django_ace/ace/css/chrome-", "django_ace/ace/css/tomorrow_night-")
NEEDED_HTMX_FILES = {"django_htmx/htmx-2.min.js"}
# The admin's pages use their minified neighbours.
UNUSED_ADMIN_FILES = {
    "admin/js/vendor/jquery/jquery.js",
    "admin/js/vendor/select2/select2.full.js",
    "admin/js/vendor/xregexp/xregexp.js",
}


def is_needed(path: str) -> bool:
    match path.split("/")[0]:
        case "django_ace":
            return path in NEEDED_ACE_FILES or path.startswith(NEEDED_ACE_PICTURES)
        case "django_htmx":
            return path in NEEDED_HTMX_FILES
    return path not in UNUSED_ADMIN_FILES


class NeededFilesFinder(AppDirectoriesFinder):
    """Find what the apps bring, without the thousands of files that no page asks for."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        for path, storage in super().list(ignore_patterns):
            if is_needed(path):
                yield path, storage
