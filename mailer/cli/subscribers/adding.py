"""`mailer subscribers add`: add one subscriber, by double opt-in or with a consent given elsewhere."""

from typing import TYPE_CHECKING

import click

from mailer.cli.operators import audit
from mailer.cli.subscribers.people import newsletter_option, parse_address, parse_basis, subscriber_of
from mailer.cli.terminal import Exit, Problem, start

if TYPE_CHECKING:
    from subscribers.addresses import Address
    from subscribers.optin import Origin


@click.command()
@click.argument("address")
@newsletter_option
@click.option("--name", default="", help="The subscriber's name.")
@click.option("--language", default="", metavar="CODE", help="The subscriber's language, such as en or zh-hans.")
@click.option("--active", is_flag=True, help="They consented elsewhere: send no confirmation email.")
@click.option("--source", default="", metavar="TEXT", help="Where the consent came from; required with --active.")
def add(address: str, newsletter: str | None, name: str, language: str, active: bool, source: str) -> None:
    """Add a subscriber and email them a confirmation link; with --active, add one whose consent you already have.

    For an existing subscriber, --name and --language are updated.
    """
    if active and not source.strip():
        raise Problem('--active needs --source "where and when they agreed".', Exit.USAGE)
    person, source = _person(address, name, language), parse_basis(source)
    start()
    from mailer.publishing import labels
    from mailer.publishing.newsletters import choose_newsletter

    label = choose_newsletter(newsletter).label
    labels.require_new(label)
    if active:
        _add_active(person, label, source)
    else:
        _add_pending(person, label, source)


def _person(address: str, name: str, language: str) -> "tuple[Address, str, str]":
    from subscribers.addresses import AddressError, clean_name, is_language_code

    if language and not is_language_code(language):
        raise Problem(f"--language {language!r} is not a language code; write one such as en or zh-hans.", Exit.USAGE)
    try:
        return parse_address(address), clean_name(name), language
    except AddressError as error:
        raise Problem(f"--name: {error}", Exit.USAGE) from None


def _add_active(person: "tuple[Address, str, str]", label: str, source: str) -> None:
    from django.db import transaction

    from subscribers import auditing, optin
    from subscribers.auditing import Act, Action

    address, name, language = person
    origin = optin.Origin(how="command", basis=source)
    try:
        with transaction.atomic():
            optin.add_active(address, label, name=name, language=language, origin=origin)
            audit(Act(Action.ADDED, auditing.subject_of(address), detail=f"active, {label}", reason=source))
    except optin.Refused as refusal:
        raise Problem(
            f"{address.email} was not added to {label}: {refusal}. `mailer subscribers show {address.email}` says more."
        ) from None
    click.echo(f"{address.email} is subscribed to {label}.")
    _keep(person, origin)


def _add_pending(person: "tuple[Address, str, str]", label: str, source: str) -> None:
    from django.db import transaction

    from subscribers import auditing, optin
    from subscribers.auditing import Act, Action

    address, name, language = person
    origin = optin.Origin(how="command", source=source)
    with transaction.atomic():
        request = optin.subscribe(address, label, name=name, language=language, origin=origin)
        audit(Act(Action.ADDED, auditing.subject_of(address), detail=f"pending, {label}", reason=source))
    if request.answer in (optin.Answer.MAIL_DUE, optin.Answer.ACTIVE):
        _keep(person, origin)  # before the email, which is in the subscriber's language
    if request.answer is optin.Answer.MAIL_DUE:
        _send_confirmation(request.subscription_id, address.email)
    elif request.answer is optin.Answer.ACTIVE:
        click.echo(f"{address.email} is already subscribed to {label}; nothing to confirm.")
    elif request.answer is optin.Answer.ASKED_ENOUGH:
        raise Problem(
            f"no email to {address.email}: an address gets at most one confirmation email in 10 minutes and three a "
            "day; try again later."
        )
    else:
        raise Problem(
            f"no email to {address.email}: the address is suppressed. `mailer subscribers show {address.email}` says "
            "why; `mailer subscribers suppress ADDRESS --lift --reason TEXT` lifts it."
        )


def _keep(person: "tuple[Address, str, str]", origin: "Origin") -> None:
    """Set the given name and language, also for an existing subscriber with others."""
    from django.conf import settings

    from subscribers import languages
    from subscribers.changing import rename, speak

    address, name, language = person
    subscriber = subscriber_of(address)
    assert subscriber is not None
    if name and rename(subscriber.public_id, name, origin):
        click.echo(f"{address.email}: the name was changed.")
    if language and speak(subscriber.public_id, language, origin):
        click.echo(f"{address.email}: the language was changed.")
    if language and not languages.is_ours(language):
        click.echo(
            f"{language} is stored for this subscriber. Pages and emails about their subscription do not exist in it "
            f"(only in {', '.join(code for code, _ in settings.LANGUAGES)}), so they get those in the newsletter's "
            "language.",
            err=True,
        )


def _send_confirmation(subscription_id: int, email: str) -> None:
    """Send the email from here if no broker carries hints, else let a worker do it; say which."""
    from django.conf import settings

    from mailer.providers.current import configured_provider, rehearsals
    from mailer.store import accounts
    from mailer.store.elsewhere import a_known_key
    from subscribers.hints import hint_confirmation
    from subscribers.mail import confirmations
    from subscribers.mail.claiming import MailFailed

    if not settings.EMBEDDED:
        told = hint_confirmation(subscription_id)
        how = "a worker sends it now" if told else "a running worker will send it within seconds"
        click.echo(f"{email} is pending; {how}.")
        return
    if not accounts.may_mail():
        raise Problem(f"{email} is pending; the confirmation email waits for {a_known_key()}.")
    try:
        confirmations.send(subscription_id)
    except MailFailed as failure:
        again = "A worker (`mailer worker` or `mailer serve`) tries again in 10 minutes."
        if not failure.retry:
            again = "It will not be retried; add the address again once the cause is fixed."
        raise Problem(
            f"{email} is pending, but the confirmation email was not sent: {failure.__cause__}. {again}"
        ) from None
    if settings.PROVIDER == "rehearsal":
        key = configured_provider().names.key
        where = f"a rehearsal: the email is in {rehearsals() / 'mail'}. Set {key} to send for real"
    else:
        where = f"the confirmation email went to {settings.PROVIDER}"
    click.echo(f"{email} is pending; {where}.")
