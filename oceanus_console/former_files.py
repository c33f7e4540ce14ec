"""Static files under the names of another release: a page that was loaded before an upgrade may ask for its files after it."""

import re

from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

# What collecting adds to a name: so each version of a file has an address of its own.
VERSION = re.compile(r"\.[0-9a-f]{12}(?=\.\w+\Z)")


@login_not_required
@require_safe
@never_cache
def former_file(request: HttpRequest, path: str) -> HttpResponse:
    """Lead to the version of this file that we have; what is asked for by its name of now, WhiteNoise has answered already."""
    name, count = VERSION.subn("", path)
    try:
        if count:
            return HttpResponseRedirect(staticfiles_storage.url(name))
    except ValueError:
        pass  # we have no such file
    return HttpResponseNotFound(content_type="text/plain")  # it is no page that somebody looks at
