from django.contrib.admin.apps import SimpleAdminConfig


class AdminConfig(SimpleAdminConfig):
    """Loads what `/admin/` shows in the web process alone; see mailer.web.urls."""

    default_site = "mailer.web.admin_site.Site"
