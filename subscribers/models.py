"""Subscribers, what they asked for, how they asked, and which addresses must not be mailed."""

import uuid
from datetime import datetime
from typing import Any, NoReturn

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone


class Subscriber(models.Model):
    """One person, known by one address."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.CharField(max_length=320)  # as typed: deliver to this
    email_key = models.CharField(max_length=320, unique=True)  # identity; see subscribers.addresses
    suppression_hash = models.CharField(max_length=64, db_index=True)  # keyed hash of email_key
    name = models.CharField(max_length=200, blank=True, default="")
    language = models.CharField(max_length=16, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    # How much signed links changed in the hour that began at that time; see subscribers.change_limits.
    changes_since = models.DateTimeField(null=True, blank=True)
    changes = models.PositiveSmallIntegerField(default=0, db_default=0)


class FormerId(models.Model):
    """An id that a subscriber had before they moved, for one newsletter that they had then.

    Links with it lie in the old mailbox. They still unsubscribe from that newsletter, and open nothing else.
    """

    public_id = models.UUIDField(editable=False)
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="former_ids")
    newsletter = models.CharField(max_length=64)  # empty if they had none

    class Meta:
        constraints = [models.UniqueConstraint(fields=["public_id", "newsletter"], name="one_former_id_each")]


class RenamedNewsletter(models.Model):
    """A label that a newsletter had before: links in old emails, journals and logs still say it."""

    label = models.CharField(max_length=64, primary_key=True)
    now = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)


def may_be_mailed(state: str | None, suppressed: str | None) -> bool:
    """Tell whether a subscription in this state may be mailed, given why its address is suppressed, if it is.

    The audience rule, for a row at hand: the last look of a claim. The database is asked the same by `deliverable`.
    """
    # The value, because looking it up in its class takes as long as comparing it, for each subscriber of a send.
    return state == "active" and not suppressed


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def deliverable(self) -> "SubscriptionQuerySet":
        """Keep those who confirmed, did not leave, and whose address is not suppressed: the only audience there is."""
        suppressed = Suppression.objects.filter(hash=OuterRef("subscriber__suppression_hash"))
        return self.filter(~Exists(suppressed), state=Subscription.State.ACTIVE)


class Subscription(models.Model):
    """A subscriber's request for one newsletter. Only `optin`, `undoing` and `clicks` change its state."""

    class State(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        UNSUBSCRIBED = "unsubscribed"

    # Indexed by the constraint below.
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="subscriptions", db_index=False)
    newsletter = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    # A confirmation email still to be sent: the row is the queue, a Celery message only a hint.
    confirmation_due = models.DateTimeField(null=True, blank=True)
    confirmation_tries = models.PositiveSmallIntegerField(default=0)
    confirmation_tried_at = models.DateTimeField(null=True, blank=True)  # also when it failed: it may have arrived
    # Of the newsletter.toml in whose name it is sent: another installation may have one of the same name.
    list_id = models.TextField(blank=True, db_default="", default="")
    # The one leaving, by the id of its Consent, that the link in its answer may undo: any later step empties it.
    undoable = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "newsletter"], name="one_subscription_each"),
            models.CheckConstraint(
                condition=models.Q(state__in=["pending", "active", "unsubscribed"]), name="subscription_state_known"
            ),
            # Nobody is asked to confirm what they have already confirmed or left.
            models.CheckConstraint(
                condition=models.Q(state="pending") | models.Q(confirmation_due__isnull=True),
                name="only_pending_awaits_confirmation",
            ),
        ]
        indexes = [
            models.Index(fields=["newsletter", "state"], name="subscription_audience"),
            models.Index(
                fields=["confirmation_due"],
                name="subscription_due",
                condition=models.Q(confirmation_due__isnull=False),
            ),
        ]


class Consent(models.Model):
    """One step of a subscriber's consent, as it happened. Written once, never changed.

    A change that is not consent (`about`) is kept until the next of its kind: anybody with a link can repeat those.
    """

    class Step(models.TextChoices):
        REQUESTED = "requested"
        CONFIRMED = "confirmed"
        UNSUBSCRIBED = "unsubscribed"
        IMPORTED = "imported"
        CHANGED = "changed"
        ERASED = "erased"

    class About(models.TextChoices):
        LANGUAGE = "language"
        NAME = "name"
        COPY = "copy"  # a copy of their data was taken
        LINK = "link"  # a link to their data was asked for
        ADDRESS = "address"  # a new address was named; moving to it is a step of its own

    class Effect(models.TextChoices):
        NO_MAIL = "no mail"  # what was asked for was not answered by an email
        SUPPRESSED = "suppressed"
        LIFTED = "lifted"  # an operator, or an event, let the address be mailed again
        MOVED = "moved"  # to another address

    # Indexed by `consent_history`.
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="consents", db_index=False)
    newsletter = models.CharField(max_length=64)
    step = models.CharField(max_length=12, choices=Step.choices)
    at = models.DateTimeField(default=timezone.now)
    how = models.CharField(max_length=32)  # form, link, one-click, command, import
    about = models.CharField(max_length=12, choices=About.choices, blank=True, default="", db_default="")
    # What rules ask of a step beside its kind. Rows of an older version get it from a trigger of migration 0015.
    effect = models.CharField(max_length=12, choices=Effect.choices, null=True, blank=True)  # noqa: DJ001 — no default:
    # SQLite would copy the whole table to add it.
    source = models.TextField(blank=True, default="")  # URL of the form, file name, or the editor's text
    # How they agreed elsewhere, as stated by the person who imported or added them.
    basis = models.TextField(blank=True, default="", db_default="")
    wording = models.TextField(blank=True, default="")  # what the subscriber was shown, exactly
    wording_version = models.CharField(max_length=32, blank=True, default="")
    language = models.CharField(max_length=16, blank=True, default="")
    ip = models.CharField(max_length=45, blank=True, default="")  # truncated: /24, or /48 for IPv6
    # What a file said of the consent it brought, not seen here; by the names of `subscribers.files.stated_consent`.
    claimed = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["subscriber", "at"], name="consent_history"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    step__in=["requested", "confirmed", "unsubscribed", "imported", "changed", "erased"]
                ),
                name="consent_step_known",
            ),
            models.UniqueConstraint(
                fields=["subscriber", "newsletter", "about"],
                condition=~models.Q(about=""),
                name="last_of_what_is_no_consent",
            ),
        ]


class Suppression(models.Model):
    """An address that must not be emailed, stored only as a keyed hash so that it outlives erasure."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce"
        COMPLAINT = "complaint"
        ERASED = "erased"
        MANUAL = "manual"

    class Rule(models.TextChoices):
        """The rule that made it, and may lift it; it does not lift those of others."""

        HARD_BOUNCE = "hard bounce"
        SOFT_BOUNCES = "soft bounces"

    hash = models.CharField(max_length=64, primary_key=True)
    reason = models.CharField(max_length=12, choices=Reason.choices)
    note = models.TextField(blank=True, default="")
    # A trigger of migration 0017 keeps these two in step with the note that an older version writes.
    rule = models.CharField(max_length=16, choices=Rule.choices, null=True, blank=True)  # noqa: DJ001 — as Consent.effect
    newsletters_left = models.JSONField(null=True, blank=True)  # labels, left by somebody who is not known here
    at = models.DateTimeField(default=timezone.now)
    # When and how the subscriber's data was erased, also if a stronger reason stands. With it goes their history,
    # so the step that ends it stands here until the subscriber comes back.
    erased_at = models.DateTimeField(null=True, blank=True)
    # As `Consent.how`. The database has the default too: code running during an upgrade does not know the column.
    erased_how = models.CharField(max_length=32, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reason__in=["bounce", "complaint", "erased", "manual"]),
                name="suppression_reason_known",
            )
        ]


class MailRequest(models.Model):
    """A requested email, so that limits can count it, and its place in the queue. Kept for a day.

    Also one that was not sent because its address is subscribed or suppressed: else limits would tell strangers which.
    """

    class Budget(models.TextChoices):
        TYPED = "typed"  # anybody who typed the address into a form
        SIGNED = "signed"  # its subscriber, by a link that was mailed there; or the operator

    mailbox = models.CharField(max_length=64)  # keyed hash; see limits.mailbox
    budget = models.CharField(max_length=8, choices=Budget.choices)
    at = models.DateTimeField(default=timezone.now)
    network = models.CharField(max_length=45, blank=True, default="")  # as in Consent; of what was typed
    token = models.CharField(max_length=64, blank=True, default="")  # of the form that is spent by this mail
    # Of a confirmation. Without a constraint: an older version that deletes subscriptions does not know this table.
    subscription = models.ForeignKey(Subscription, models.SET_NULL, null=True, db_constraint=False, related_name="+")
    rank = models.PositiveSmallIntegerField(default=0, db_default=0)  # the lower the sooner; see limits
    sent_at = models.DateTimeField(null=True, blank=True)  # the last try

    class Meta:
        indexes = [
            models.Index(fields=["mailbox", "at"], name="mail_request_by_mailbox"),
            models.Index(fields=["network", "at"], name="mail_request_by_network"),
            models.Index(fields=["sent_at"], name="mail_request_sent"),
            models.Index(fields=["rank", "at"], name="mail_request_waiting", condition=models.Q(sent_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["token"], condition=~models.Q(token=""), name="one_mail_a_form"),
            models.CheckConstraint(
                condition=models.Q(budget__in=["typed", "signed"]), name="mail_request_budget_known"
            ),
        ]


class Letter(models.Model):
    """An email with a link, asked for on a page. The row is the queue; it is deleted after two days."""

    class Purpose(models.TextChoices):
        DATA = "data"  # to the subscriber's address: opens what only they may see and change
        ADDRESS = "address"  # to their new address: confirms it

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="letters")
    newsletter = models.CharField(max_length=64)  # in whose name it is mailed
    list_id = models.TextField(blank=True, db_default="", default="")  # see Subscription
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    email = models.CharField(max_length=320)  # where it goes
    email_key = models.CharField(max_length=320)
    asked_at = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    # Labels that the letter to a new address names and its button confirms. None: from before letters named them.
    newsletters = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["email_key", "asked_at"], name="letter_by_address"),
            models.Index(fields=["due"], name="letter_due", condition=models.Q(due__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(purpose__in=["data", "address"]), name="letter_purpose_known")
        ]


class Notice(models.Model):
    """An email that tells a subscriber what was done without their asking. The row is the queue, as of a Letter."""

    class Kind(models.TextChoices):
        UNDONE = "undone"  # a leaving
        MOVED = "moved"  # to the former address
        ERASED = "erased"

    # None for an address without a subscriber: the row is deleted as soon as it is sent.
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="notices", null=True)
    newsletter = models.CharField(max_length=64)  # in whose name it is mailed
    list_id = models.TextField(blank=True, default="")  # see Subscription
    kind = models.CharField(max_length=12, choices=Kind.choices)
    email = models.CharField(max_length=320)  # where it goes
    email_key = models.CharField(max_length=320)
    mailbox = models.CharField(max_length=64, blank=True, db_default="", default="")  # as of a MailRequest
    language = models.CharField(max_length=16, blank=True, default="")  # as the subscriber chose it
    at = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["email_key", "at"], name="notice_by_address"),
            models.Index(fields=["mailbox", "at"], name="notice_by_mailbox"),
            models.Index(fields=["due"], name="notice_due", condition=models.Q(due__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=["undone", "moved", "erased"]), name="notice_kind_known")
        ]


class WelcomeDue(models.Model):
    """Somebody who confirmed and was not yet given to a batch of the welcome. See `subscribers.welcomes`."""

    # Without a constraint: an older version that erases a subscriber does not know this table.
    subscriber = models.ForeignKey(
        Subscriber, models.CASCADE, db_constraint=False, db_index=False, related_name="welcomes_due"
    )
    newsletter = models.CharField(max_length=64)
    at = models.DateTimeField()  # when they confirmed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscriber", "newsletter"], name="one_welcome_due_each")]
        indexes = [models.Index(fields=["newsletter", "at"], name="welcome_due_next")]


class AppendOnly(models.QuerySet["AuditEntry"]):
    """Rows that can only be added. A trigger of the database enforces it, even for code that bypasses the ORM."""

    def update(self, **values: Any) -> NoReturn:
        raise TypeError("the audit log is append-only")

    def delete(self) -> NoReturn:
        raise TypeError("the audit log is append-only; see subscribers.auditing.forget_old")

    def delete_before(self, at: datetime) -> int:
        return super().filter(at__lt=at)._raw_delete(self.db)


class AuditEntry(models.Model):
    """Who viewed or changed subscribers. Nothing in it names a subscriber by address."""

    class By(models.TextChoices):
        COMMAND = "command"
        ADMIN = "admin"
        SUBSCRIBER = "subscriber"  # themself, by a link that was mailed to them

    class Action(models.TextChoices):
        SHOWN = "shown"
        SEARCHED = "searched"
        LISTED = "listed"
        EXPORTED = "exported"
        ADDED = "added"
        IMPORTED = "imported"
        UNSUBSCRIBED = "unsubscribed"
        SUPPRESSED = "suppressed"
        LIFTED = "lifted"
        ERASED = "erased"
        RENAMED = "renamed"  # a newsletter's label

    at = models.DateTimeField(default=timezone.now, db_index=True)
    by = models.CharField("way", max_length=12, choices=By.choices)
    who = models.CharField(max_length=150, blank=True, default="")  # user of the system, or of /admin/
    place = models.CharField(max_length=255, blank=True, default="")  # host of a command; network, /24 or /48
    action = models.CharField(max_length=16, choices=Action.choices)
    # Of one subscriber: their public id, which leads nowhere once they are erased; else the hash of an address that
    # belongs to nobody here.
    subject = models.CharField(max_length=64, blank=True, default="")
    count = models.PositiveIntegerField(default=1)  # of subscribers
    detail = models.TextField(blank=True, default="")  # which list, which file
    reason = models.TextField(blank=True, default="")

    objects = AppendOnly.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = "audit entry", "audit entries"
        indexes = [models.Index(fields=["subject", "at"], name="audit_of_one", condition=~models.Q(subject=""))]

    def save(self, *given: Any, **named: Any) -> None:
        super().save(*given, **named | {"force_insert": True})

    def delete(self, *given: Any, **named: Any) -> NoReturn:
        raise TypeError("the audit log is append-only; see subscribers.auditing.forget_old")
