"""The template engines of emails and pages: Django's, without what only `/admin/` needs."""

from django.template.backends.django import DjangoTemplates

# Django's own; `{% load %}` finds them.
LIBRARIES = ("cache", "i18n", "l10n", "static", "tz")


class Templates(DjangoTemplates):
    def get_templatetag_libraries(self, custom_libraries: dict[str, str]) -> dict[str, str]:
        """Return Django's own libraries. By default the engine imports those of each app, such as the whole admin."""
        return {name: f"django.templatetags.{name}" for name in LIBRARIES} | custom_libraries
