from django.template.backends.django import DjangoTemplates
class MjmlTemplates(DjangoTemplates):
    app_dirname = "mjml"
