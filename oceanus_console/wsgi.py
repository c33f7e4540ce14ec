import os

from django.core.wsgi import get_wsgi_application

from oceanus_console.charset import only_utf_8

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oceanus_console.settings")
application = only_utf_8(get_wsgi_application())
