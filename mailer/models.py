"""The ledger: what was planned, tried, answered. Only `mailer.sending` changes the state of a batch."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

REHEARSAL = "rehearsal"


class Installation(models.Model):
    """The one row that says who we are; made by the first migration."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Hex, oldest first. The newest signs readers' links, all are accepted, the oldest keys the suppression hashes.
    link_keys = models.JSONField(default=list)
    swept_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="only_one_installation")]


class Media(models.Model):
    """An image of an issue. In the database, so that every process and every backup has it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    extension = models.CharField(max_length=8)
    content_type = models.CharField(max_length=32)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    content = models.BinaryField()


class Gate(models.Model):
    """Whether a provider may be asked now. One row a provider, read before every claim."""

    provider = models.CharField(max_length=255, primary_key=True)
    closed_until = models.DateTimeField(null=True)
    reason = models.TextField(blank=True, default="")
    streak = models.PositiveIntegerField(default=0)  # failures since the last 202
    trial_until = models.DateTimeField(null=True)  # after a failure one claimant at a time has the way


class Send(models.Model):
    """One issue on its way to one newsletter's readers: all that a request needs, frozen when it was planned."""

    class State(models.TextChoices):
        SCHEDULED = "scheduled"
        SENDING = "sending"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200)
    provider = models.CharField(max_length=255)
    state = models.CharField(max_length=12, choices=State.choices, default=State.SENDING)
    reason = models.TextField(blank=True, default="")  # why paused; empty: the editor wanted it
    subject = models.TextField()
    from_email = models.CharField(max_length=320)
    from_name = models.CharField(max_length=200)
    reply_to = models.CharField(max_length=320, blank=True, default="")
    headers = models.JSONField(default=dict)  # those that are the same for every reader
    base_url = models.CharField(max_length=200)
    placeholders = models.JSONField(default=dict)  # what stands for a reader's own links in html and text
    html = models.TextField()
    text = models.TextField()
    article = models.TextField()  # for the web page
    source_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)
    planned = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    first_request_at = models.DateTimeField(null=True)
    last_request_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "slug"], condition=~Q(provider=REHEARSAL), name="one_send"),
            models.UniqueConstraint(
                fields=["newsletter", "slug"], condition=Q(provider=REHEARSAL), name="one_rehearsal"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["scheduled", "sending", "paused", "finished", "cancelled"]),
                name="send_state_known",
            ),
        ]

    @property
    def is_rehearsal(self) -> bool:
        return self.provider == REHEARSAL


class Batch(models.Model):
    """At most 1,000 readers who go out in one request. The state of a delivery is that of its batch."""

    class State(models.TextChoices):
        PLANNED = "planned"
        POSTING = "posting"
        ACCEPTED = "accepted"
        REFUSED = "refused"  # a batch of one whose reader was rejected
        UNKNOWN = "unknown"
        EMPTY = "empty"  # everybody in it was skipped or rejected
        CANCELLED = "cancelled"

    send = models.ForeignKey(Send, models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    # size = skipped + rejected + those who share the state of the batch
    size = models.PositiveIntegerField()
    skipped = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    hinted_at = models.DateTimeField(null=True)
    current_attempt = models.UUIDField(null=True)
    rounds = models.PositiveSmallIntegerField(default=0)  # refusals of single readers so far
    was_unknown = models.BooleanField(default=False)  # then it is never split: an older attempt may have gone out whole
    settled_by = models.CharField(max_length=12, blank=True, default="")  # worker, record, event, editor
    split_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="parts")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["send", "number"], name="batch_number_once"),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "posting", "accepted", "refused", "unknown", "empty", "cancelled"]),
                name="batch_state_known",
            ),
            models.CheckConstraint(
                condition=Q(skipped__gte=0, rejected__gte=0, size__gte=models.F("skipped") + models.F("rejected")),
                name="batch_counts_add_up",
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "not_before"],
                name="batch_open",
                condition=Q(state__in=["planned", "posting", "unknown"]),
            )
        ]


class Delivery(models.Model):
    """One reader of one send. `outcome` is empty where it is that of the batch; otherwise it is final."""

    class Outcome(models.TextChoices):
        SKIPPED = "skipped"
        REJECTED = "rejected"

    send = models.ForeignKey(Send, models.CASCADE, related_name="deliveries", db_index=False)
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="deliveries")
    # Deliveries outlive the reader's erasure.
    subscriber = models.ForeignKey("subscribers.Subscriber", models.SET_NULL, null=True, db_index=False)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, null=True)  # noqa: DJ001 — empty means "as its batch"
    reason = models.TextField(null=True)  # noqa: DJ001 — NULL costs no byte, and there are millions

    class Meta:
        constraints = [
            # Also the way to a reader's deliveries. The last wall against a second mail.
            models.UniqueConstraint(fields=["subscriber", "send"], name="one_delivery_each"),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True) | Q(outcome__in=["skipped", "rejected"]),
                name="delivery_outcome_known",
            ),
        ]


class Attempt(models.Model):
    """One request for one batch, written before the socket opens."""

    class State(models.TextChoices):
        OPEN = "open"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        UNSENT = "unsent"
        UNKNOWN = "unknown"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="attempts")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    owner = models.UUIDField()  # the worker process; see mailer.sending.owners
    lease_until = models.DateTimeField()
    members = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    message_id = models.CharField(max_length=200, blank=True, default="")
    words = models.TextField(blank=True, default="")  # the provider's, or the network's

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "accepted", "refused", "unsent", "unknown"]),
                name="attempt_state_known",
            )
        ]
        indexes = [models.Index(fields=["lease_until"], name="attempt_open", condition=Q(state="open"))]
