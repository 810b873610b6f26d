"""The welcome that whoever confirms gets now, in each language. Its versions are sends of their own kind."""

from django.db import models

from mailer.models.sends import Send


class Welcome(models.Model):
    """A welcome that is on. Without a row of its newsletter nobody is welcomed."""

    newsletter = models.CharField(max_length=64)
    language = models.CharField(max_length=16)  # as newsletter.toml writes it: zh-hans
    rehearsal = models.BooleanField()  # beside a real one it welcomes nobody
    # The newest version. Without a constraint, so that adding this table waits for nobody.
    send = models.OneToOneField(Send, models.CASCADE, db_constraint=False, related_name="welcome")
    # The content with so many sent issues listed in it, by their number, as far as it lists any. What stands for their
    # titles and addresses is filled in by mailer.sending.welcoming, without the file: workers read none.
    patterns = models.JSONField()
    mark = models.CharField(max_length=32)  # how what is to be filled in begins
    listed = models.JSONField(default=list)  # slug and title of the issues in the newest version
    file = models.CharField(max_length=200)  # its name, beside newsletter.toml
    file_sha256 = models.CharField(max_length=64)  # for the doctor: whether it changed since
    frozen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "language", "rehearsal"], name="one_welcome_a_language")
        ]
