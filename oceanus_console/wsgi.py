import gc
import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.urls import reverse

from oceanus_console.charset import only_utf_8
from oceanus_console.head import without_body

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
if settings.SECRET_KEY == settings.DEFAULT_SECRET_KEY and not settings.DEBUG:
    # Everybody knows it, and could sign himself a session.
    raise ImproperlyConfigured("Set OCEANUS_SECRET_KEY to a long random text; ./oceanus up makes one by itself.")
application = without_body(only_utf_8(get_wsgi_application()))
# Load all pages now: gunicorn --preload forks its workers after this, and they share what they don't touch.
reverse("login")
gc.collect()
gc.freeze()
