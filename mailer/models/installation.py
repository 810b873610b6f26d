"""What this installation knows beside its sends: itself, its processes, keys and images, its accounts at providers."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Installation(models.Model):
    """The one row that identifies this installation; made by the first migration."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    suppression_key = models.CharField(max_length=64, db_default="")  # hex; another would void all suppressions
    link_keys = models.JSONField(
        default=list
    )  # for 0.2.0, which may run beside this version; see mailer.store.rotating
    swept_at = models.DateTimeField(null=True)
    attempts = models.PositiveBigIntegerField(db_default=0)  # made so far; see mailer.sending.restore_guard
    requests_counted_until = models.DateTimeField(db_default=Now())  # by when they ended; see mailer.store.counting
    events_refused_at = models.DateTimeField(null=True)  # the last webhook post that was refused; to some seconds

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="only_one_installation")]


class LinkKey(models.Model):
    """A key for subscribers' links, known by its id; see store.rotating. A retired one has lost the key itself."""

    key = models.CharField(max_length=64, null=True)  # noqa: DJ001 — hex; NULL once retired
    fingerprint = models.CharField(max_length=16, unique=True)
    created_at = models.DateTimeField()
    signs_from = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)


class Process(models.Model):
    """A web process or worker, as of its last sign of life; see mailer.store.presence."""

    class Kind(models.TextChoices):
        WEB = "web"
        WORKER = "worker"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    state = models.JSONField(default=dict)  # what it knows of itself: concurrency, broker, proxies


class Counter(models.Model):
    """How often something happened since this database was made; see mailer.store.counting."""

    name = models.CharField(max_length=32)
    kind = models.CharField(max_length=32, blank=True)
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "kind"], name="one_counter")]


class Media(models.Model):
    """An image of an issue. In the database, so that every process and every backup has it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    extension = models.CharField(max_length=8)
    content_type = models.CharField(max_length=32)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    content = models.BinaryField()


class IndexedIssue(models.Model):
    """What lists and search know of an issue with a page; see mailer.archive.indexing, which can make it anew.

    Its terms stand beside it: on SQLite in the FTS5 table `mailer_issueterms`, on PostgreSQL in the column `terms`.
    """

    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200)
    version = models.PositiveSmallIntegerField()  # of the way it is made
    updated = models.DateTimeField()  # the state of the page that it is made of
    dated = models.DateField()
    language = models.TextField(blank=True)
    title = models.TextField()
    preheader = models.TextField(blank=True)
    text = models.TextField()  # of the page, a paragraph or heading in each line
    opening = models.TextField(blank=True)  # the first paragraphs, likewise
    excerpt = models.TextField(blank=True)  # the first sentences that other issues do not have
    images = models.JSONField(default=list)  # of ours that may stand for it: paths, in order
    image = models.TextField(blank=True)  # the first of them that other issues do not have

    class Meta:
        constraints = [models.UniqueConstraint(fields=["newsletter", "slug"], name="indexed_once")]


class PageImage(models.Model):
    """What is shown of a newsletter, or of one of its issues, beside its page; see mailer.store.page_images."""

    class Role(models.TextChoices):
        CARD = "card"  # where other sites link to the page
        ICON = "icon"  # in a browser's tab
        HOME_SCREEN = "home-screen"  # of a telephone

    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200, blank=True, default="")  # empty: of the newsletter itself
    role = models.CharField(max_length=12, choices=Role.choices)
    media = models.ForeignKey(Media, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["newsletter", "slug", "role"], name="one_page_image")]


class ProviderAccount(models.Model):
    """An account at a provider, with its own reputation, limits and events. A send belongs to one."""

    name = models.CharField(max_length=64, unique=True)
    host = models.CharField(max_length=255)  # of the provider's API, or `rehearsal`
    swept_at = models.DateTimeField(null=True)  # by a worker that holds one of its keys


class AccountKey(models.Model):
    """An API key of an account, known by its fingerprint alone. Earlier keys stay, so that workers change one by one.

    Only a person can say which key belongs to which account; see mailer.store.accounts.
    """

    account = models.ForeignKey(ProviderAccount, models.CASCADE, related_name="keys")
    host = models.CharField(max_length=255)  # the account's; here, so that the database keeps a key to one account
    fingerprint = models.CharField(max_length=16)  # hex, the beginning of the key's SHA-256
    adopted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "fingerprint"], name="key_of_one_account")]


class CircuitBreaker(models.Model):
    """Whether the provider may be asked for an account now. One row per account, read before every claim."""

    account = models.OneToOneField(ProviderAccount, models.CASCADE, primary_key=True)
    open_until = models.DateTimeField(null=True, db_column="closed_until")
    reason = models.TextField(blank=True, default="")
    streak = models.PositiveIntegerField(default=0)  # failures since the last 202
    trial_until = models.DateTimeField(null=True)  # after a failure one claimant at a time may try

    class Meta:
        # `mailer_gate`, keyed by host, stays for older workers during an upgrade; the next version drops it.
        db_table = "mailer_circuit_breaker"


class WebhookKey(models.Model):
    """A key that verified posts of the event webhook, and an account whose requests they were about.

    Only an event of one of our requests tells whose key it is: a key of another account verifies posts just as well.
    """

    account = models.ForeignKey(ProviderAccount, models.CASCADE, related_name="webhook_keys")
    fingerprint = models.CharField(max_length=16)  # hex, the beginning of the key's SHA-256
    verified_at = models.DateTimeField()  # its last post; to some seconds
    heard_again_at = models.DateTimeField(null=True)  # the last of them that came after a refused post

    class Meta:
        constraints = [models.UniqueConstraint(fields=["fingerprint", "account"], name="one_webhook_key")]
