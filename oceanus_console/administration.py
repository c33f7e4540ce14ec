from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    default_site = "oceanus_console.site.ConsoleAdminSite"
