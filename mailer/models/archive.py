"""What the archive has beside the sends: issues brought along from elsewhere, their old addresses, removed pages.

None of this is of the ledger: nobody was mailed, and nothing here says that somebody was.
"""

from django.db import models


class ArchivedIssue(models.Model):
    """An issue that was published elsewhere, and has its page here; `mailer archive import` wrote it.

    An issue of the same slug that was really sent takes its place.
    """

    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200)
    subject = models.TextField()
    preheader = models.TextField(blank=True)
    language = models.TextField()
    day = models.DateField()
    number = models.TextField(blank=True)
    article = models.TextField()
    published_at = models.DateTimeField()  # noon of its day, to put it in order with the sends
    source_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)  # of all that its page shows
    imported_at = models.DateTimeField()
    updated_at = models.DateTimeField(null=True)  # when an import last changed it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["newsletter", "slug"], name="one_archived_issue")]
        indexes = [models.Index(fields=["newsletter", "published_at"], name="archived_by_date")]


class Alias(models.Model):
    """An address that an issue had elsewhere, and that leads to its page here.

    `name` is a path of the web site ("/2019/06/29/title.html"), or another slug in the archive.
    """

    newsletter = models.CharField(max_length=64)
    name = models.CharField(max_length=500)
    slug = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["newsletter", "name"], name="one_alias")]
        indexes = [models.Index(fields=["name"], name="alias_name")]


class RemovedPage(models.Model):
    """A page that the archive shows no more, of an issue that was sent or imported. Its content stays on record."""

    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200)
    removed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["newsletter", "slug"], name="one_removal")]
