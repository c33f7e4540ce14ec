from django.contrib.admin.apps import SimpleAdminConfig


class ConsoleAdminConfig(SimpleAdminConfig):
    # Its pages are loaded with the addresses (urls.py): processes that serve no pages do without.
    default_site = "oceanus_console.site.ConsoleAdminSite"
