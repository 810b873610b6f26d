"""The ledger: what was planned, tried, answered. Only `mailer.sending` changes the state of a batch."""

import uuid
from enum import IntFlag

from django.db import models
from django.db.models import Q
from django.utils import timezone

from mailer.models.installation import ProviderAccount

REHEARSAL = "rehearsal"
ATTEMPT_STATES = ["open", "accepted", "refused", "unsent", "unknown"]


class SendQuerySet(models.QuerySet["Send"]):
    def issues(self) -> "SendQuerySet":
        """Leave out versions of a welcome: they are in no archive, report or list of issues."""
        return self.filter(kind=Send.Kind.ISSUE)


class Send(models.Model):
    """One issue on its way to one newsletter's subscribers: all that a request needs, frozen when it was planned."""

    class Kind(models.TextChoices):
        ISSUE = "issue"
        WELCOME = "welcome"  # a version of it; see mailer.sending.welcoming

    class State(models.TextChoices):
        SCHEDULED = "scheduled"
        PLANNING = "planning"  # in ranges, by workers; nothing of it is claimed. See Planning.
        SENDING = "sending"
        PAUSED = "paused"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    UNDER_WAY = (State.PLANNING, State.SENDING)

    class OnUnknown(models.TextChoices):
        HOLD = "hold"  # never twice: a person decides
        RESEND = "resend"  # after negative evidence; see mailer.sending.evidence

    kind = models.CharField(max_length=8, choices=Kind.choices, db_default="issue", default=Kind.ISSUE)
    newsletter = models.CharField(max_length=64)
    slug = models.CharField(max_length=200)  # of a welcome: with ":", which no issue's has
    provider = models.CharField(max_length=255)
    # Empty only where a version that knew hosts alone planned it during an upgrade; the sweep fills it.
    account = models.ForeignKey(ProviderAccount, models.PROTECT, null=True, related_name="sends")
    list_id = models.TextField(blank=True, db_default="", default="")  # the newsletter's; empty as above
    state = models.CharField(max_length=12, choices=State.choices, default=State.SENDING)
    reason = models.TextField(blank=True, default="")  # why paused; empty: the editor wanted it
    subject = models.TextField()
    from_email = models.CharField(max_length=320)
    from_name = models.CharField(max_length=200)
    reply_to = models.CharField(max_length=320, blank=True, default="")
    headers = models.JSONField(default=dict)  # those that are the same for every subscriber
    base_url = models.CharField(max_length=200)
    placeholders = models.JSONField(default=dict)  # what stands for a subscriber's own links in html and text
    html = models.TextField()
    text = models.TextField()
    # For the web page: what it shows until a Correction does.
    article = models.TextField()
    language = models.TextField(blank=True, db_default="", default="")
    preheader = models.TextField(blank=True, db_default="", default="")
    day = models.DateField(null=True)
    number = models.TextField(blank=True, db_default="", default="")
    source_sha256 = models.CharField(max_length=64)
    content_sha256 = models.CharField(max_length=64)
    planned = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True)  # when a schedule fires; its audience is chosen then
    max_per_hour = models.PositiveIntegerField(null=True)
    on_unknown = models.CharField(max_length=8, choices=OnUnknown.choices, db_default="hold", default=OnUnknown.HOLD)
    # Who is told by email how an unwatched send ends, and what was told last.
    notify = models.CharField(max_length=320, blank=True, db_default="", default="")
    notified = models.CharField(max_length=32, blank=True, db_default="", default="")
    # Too many bounces or complaints. If nobody saw it, the newsletter's next send starts paused with this text.
    notice = models.TextField(blank=True, db_default="", default="")
    notice_shown = models.BooleanField(db_default=False, default=False)
    created_at = models.DateTimeField(default=timezone.now)
    first_request_at = models.DateTimeField(null=True)
    last_request_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = SendQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "slug"], condition=~Q(provider=REHEARSAL), name="one_send"),
            models.UniqueConstraint(
                fields=["newsletter", "slug"], condition=Q(provider=REHEARSAL), name="one_rehearsal"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["scheduled", "planning", "sending", "paused", "finished", "cancelled"]),
                name="send_state_known",
            ),
        ]
        indexes = [
            # The archive asks for the issues before and after one; without it, that reads all texts.
            models.Index(
                fields=["newsletter", "first_request_at"],
                name="send_by_first_request",
                condition=Q(first_request_at__isnull=False),
            )
        ]

    @property
    def is_rehearsal(self) -> bool:
        return self.provider == REHEARSAL

    @property
    def is_held(self) -> bool:
        """Tell whether it is paused for a reason that somebody must look at. An editor who pauses gives none."""
        return self.state == self.State.PAUSED and self.reason != ""


class Planning(models.Model):
    """How far the subscribers of a send are planned, if they are too many for one transaction; see `sending.ranges`.

    It exists while the send is `planning`.
    """

    # Without a constraint, so that adding this table waits for nobody, and as deliveries have none.
    send = models.OneToOneField(Send, models.CASCADE, primary_key=True, db_constraint=False)
    # Frozen when it began: the last subscriber's id, and the time; who subscribes later is not in it.
    until = models.BigIntegerField()
    frozen_at = models.DateTimeField()
    expected = models.PositiveIntegerField()  # about so many subscribers, to show the progress
    position = models.BigIntegerField(default=0)  # the last subscriber's id that is planned
    paused = models.BooleanField(default=False)  # the send will be paused, not sending, once it is planned


class Correction(models.Model):
    """What the web page of a sent issue says instead of what was mailed; the Send keeps that."""

    send = models.OneToOneField(Send, models.CASCADE)
    subject = models.TextField()
    preheader = models.TextField(blank=True, default="")
    language = models.TextField()
    day = models.DateField(null=True)
    number = models.TextField(blank=True, default="")
    article = models.TextField()
    source_sha256 = models.CharField(max_length=64)
    corrected_at = models.DateTimeField(default=timezone.now)


class Batch(models.Model):
    """At most 1,000 subscribers who go out in one request. The state of a delivery is that of its batch."""

    class State(models.TextChoices):
        PLANNED = "planned"
        POSTING = "posting"
        ACCEPTED = "accepted"
        REFUSED = "refused"  # a batch of one whose subscriber was rejected
        UNKNOWN = "unknown"
        EMPTY = "empty"  # everybody in it was skipped or rejected
        CANCELLED = "cancelled"

    class SettledBy(models.TextChoices):
        """By whom or what an accepted batch is known to be accepted."""

        WORKER = "worker"  # the provider answered it
        RECORD = "record"  # of the rehearsal
        EVENT = "event"
        EDITOR = "editor"  # who assumes it, and may be wrong

    send = models.ForeignKey(Send, models.CASCADE, related_name="batches")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.PLANNED)
    # size = skipped + rejected + those who share the state of the batch
    size = models.PositiveIntegerField()
    skipped = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(default=timezone.now)
    hinted_at = models.DateTimeField(null=True)  # not used any more; versions that run beside this one write it
    current_attempt = models.UUIDField(null=True)
    rounds = models.PositiveSmallIntegerField(default=0)  # refusals of single subscribers so far
    was_unknown = models.BooleanField(default=False)  # then it is never split: an older attempt may have gone out whole
    settled_by = models.CharField(max_length=12, choices=SettledBy.choices, blank=True, default="")
    # The delivery that was refused unnamed when no other was left: it may be the mail that is refused. 0: refused by
    # name. A trigger of migration 0013 fills it where a worker of an older version settles during an upgrade.
    refused_alone = models.BigIntegerField(null=True)
    split_from = models.ForeignKey("self", models.SET_NULL, null=True, related_name="parts")
    # Subscribers with each fact, so that a status costs a row per request, not per subscriber.
    delivered = models.PositiveIntegerField(db_default=0, default=0)
    deferred = models.PositiveIntegerField(db_default=0, default=0)
    dropped = models.PositiveIntegerField(db_default=0, default=0)
    bounced = models.PositiveIntegerField(db_default=0, default=0)
    bounced_hard = models.PositiveIntegerField(db_default=0, default=0)
    complained = models.PositiveIntegerField(db_default=0, default=0)

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
            ),
            # A claim would pass over each batch that went out before the next one.
            models.Index(fields=["send", "number"], name="batch_next", condition=Q(state="planned")),
        ]


class Fact(IntFlag):
    """What events said of a delivery, beside its outcome. Facts are only added, so any order of events ends alike."""

    DEFERRED = 1
    DELIVERED = 2
    DROPPED = 4
    SOFT = 8  # bounced for now: mailbox full, server busy
    HARD = 16  # bounced permanently: no such address
    POLICY = 32  # bounced because of us: reputation, content; never counts against the subscriber
    COMPLAINED = 64


BOUNCED = Fact.SOFT | Fact.HARD | Fact.POLICY


class Delivery(models.Model):
    """One subscriber of one send. `outcome` is empty if it is that of the batch; otherwise it is final."""

    class Outcome(models.TextChoices):
        SKIPPED = "skipped"
        REJECTED = "rejected"

    # PostgreSQL would look up both for each subscriber of a plan. What they promise, `sending.orphans` checks.
    send = models.ForeignKey(Send, models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False)
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="deliveries", db_constraint=False)
    # Deliveries outlive the subscriber's erasure.
    subscriber = models.ForeignKey("subscribers.Subscriber", models.SET_NULL, null=True, db_index=False)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, null=True)  # noqa: DJ001 — empty means "as its batch"
    reason = models.TextField(null=True)  # noqa: DJ001 — NULL costs no byte, and there are millions
    facts = models.PositiveSmallIntegerField(db_default=0, default=0)  # a Fact

    class Meta:
        constraints = [
            # Also the index to a subscriber's deliveries. The last defence against a second email.
            models.UniqueConstraint(fields=["subscriber", "send"], name="one_delivery_each"),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True) | Q(outcome__in=["skipped", "rejected"]),
                name="delivery_outcome_known",
            ),
        ]


class HardBounce(models.Model):
    """An address that bounced permanently, and when: `mailer.events.outages` decides what follows."""

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True)
    send = models.ForeignKey(Send, models.CASCADE, db_index=False)
    hash = models.CharField(max_length=64, db_index=True)  # of the address, as `Suppression.hash`
    domain = models.CharField(max_length=255)
    at = models.DateTimeField()  # by the provider's clock
    dropped = models.BooleanField()  # the provider remembered an older bounce, and did not ask the receiver
    held_until = models.DateTimeField(null=True)  # in a suspected outage of the domain; empty: it counts at once
    forgiven = models.BooleanField(default=False)  # an operator lifted what it did
    released_at = models.DateTimeField(null=True)  # taken off the provider's own list; see mailer.worker.releasing

    class Meta:
        indexes = [models.Index(fields=["domain", "send"], name="hard_bounce_by_domain")]


class PolicyBounce(models.Model):
    """A receiver that refused us, and by which policy (`mailer.providers.policies`)."""

    delivery = models.OneToOneField(Delivery, models.CASCADE, primary_key=True)
    send = models.ForeignKey(Send, models.CASCADE)
    policy = models.CharField(max_length=32)
    at = models.DateTimeField()


class ReceivingDomains(models.Model):
    """How many subscribers of an issue each larger domain receives for; counted once, when a rule first asks."""

    send = models.OneToOneField(Send, models.CASCADE, primary_key=True)
    readers = models.JSONField()  # domain → subscribers


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
    worker = models.UUIDField(db_column="owner")  # the process; see mailer.sending.worker_locks
    lease_until = models.DateTimeField()
    members = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    message_id = models.CharField(max_length=200, blank=True, default="")
    detail = models.TextField(blank=True, default="", db_column="words")  # as the provider or the network says
    evidence_at = models.DateTimeField(null=True)  # when the first event of it came

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(state__in=ATTEMPT_STATES), name="attempt_state_known")]
        indexes = [
            models.Index(fields=["ended_at"], name="attempt_ended"),
            models.Index(fields=["lease_until"], name="attempt_open", condition=Q(state="open")),
            models.Index(fields=["started_at"], name="attempt_unknown", condition=Q(state="unknown")),
        ]


class Event(models.Model):
    """A fact that the provider reported, as it came and once. `mailer.events` stores it, then applies it."""

    kind = models.CharField(max_length=24)  # a `mailer.providers.events.Kind`
    # No foreign keys: a restored database may lack what an event is about, and the event must be kept all the same.
    attempt = models.UUIDField(null=True)
    delivery = models.PositiveBigIntegerField(null=True)
    at = models.DateTimeField()  # by the provider's clock
    received_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True)
    # What a bounce, a complaint or a drop says, and whose it is if there are no ids. Personal: see `prune`.
    details = models.JSONField(null=True)
    # 64 bits of a hash: of the provider's id, and of what happened, because a retry was seen to come with a new id.
    id_hash = models.BigIntegerField(unique=True)
    fact_hash = models.BigIntegerField(unique=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="event_unapplied", condition=Q(applied_at__isnull=True)),
            models.Index(fields=["delivery"], name="event_told", condition=Q(details__isnull=False)),
            # For mailer.sending.evidence. Not received_at too: storing an event would cost a third more.
            models.Index(fields=["at"], name="event_heard", condition=Q(attempt__isnull=False)),
        ]
