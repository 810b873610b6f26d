"""Check what can be seen without asking the provider: files, database, broker, worker, our own address."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings

from mailer.cli.terminal import counted, database_address, knock
from mailer.config.environment import nowhere
from mailer.config.patience import NoAnswer, in_time
from mailer.providers.protocol import Check


def newsletters() -> Check:
    if not settings.NEWSLETTERS:
        return Check("newsletter.toml", "error", f"none at or above {settings.CONFIG_FOLDER}; run `mailer init`")
    homeless = [label for label, newsletter in settings.NEWSLETTERS.items() if not newsletter.postal_address]
    if homeless:
        return Check("newsletter.toml", "warning", f"no postal_address: {', '.join(homeless)}; a real send needs it")
    return Check("newsletter.toml", "ok", f"{', '.join(settings.NEWSLETTERS)} ({settings.CONFIG})")


def languages() -> Iterator[Check]:
    """Yield in which languages our own texts reach subscribers, and whether a native speaker has read these."""
    from subscribers.languages import is_ours, is_reviewed, supported

    written = sorted({newsletter.language for newsletter in settings.NEWSLETTERS.values()})
    if not written:
        return
    lacking = [language for language in written if not is_ours(language)]
    unread = sorted({language for language in map(supported, written) if not is_reviewed(language)})
    notes = [f"our texts do not exist in {', '.join(lacking)} and are in English"] if lacking else []
    if unread:
        notes.append(
            f"{', '.join(unread)} is unreviewed: no native speaker has read our texts in it yet. Read your pages and "
            "emails before you rely on them, and report what is wrong"
        )
    yield Check("languages", "ok", "; ".join([", ".join(written), *notes]))


def misnamed() -> Iterator[Check]:
    """Yield what looks like a setting but sets nothing."""
    from mailer.config import environment

    for detail in environment.misnamed():
        yield Check("settings", "warning", detail)


def orphans() -> Iterator[Check]:
    """Yield labels that newsletter.toml has lost, and former ones that it gives to another newsletter."""
    from mailer.publishing import labels

    for label, now in labels.reused(*settings.NEWSLETTERS).items():
        yield Check(f"newsletter {label}", "error", f"{settings.CONFIG}: {labels.why_not_reused(label, now)}")
    for orphan in labels.orphans():
        rename = f"if it was renamed there, run `mailer newsletters rename {orphan.label} NEW`"
        yield Check(f"newsletter {orphan}", "warning", f"not in {settings.CONFIG}; {rename}")


def exposed() -> Iterator[Check]:
    """Yield a key that git offers to others."""
    from mailer.config.exposure import why_exposed

    if why := why_exposed(settings.CONFIG_FOLDER):
        yield Check(".env", "warning", why)


def disk() -> Check:
    from mailer.web import readiness

    where = " and ".join(sorted(map(str, readiness.folders())))
    if nowhere():
        return Check("disk", "ok", "does not exist yet")
    if state := readiness.disk():
        return Check("disk", "error", f"{state}: {where}; free some space there, or let the user who runs mailer write")
    return Check("disk", "ok", f"enough free space in {where}")


def database() -> Check:
    from mailer.store import schema

    if nowhere():
        return Check("database", "error", f"none at {database_address()}; run this in your newsletter's folder")
    in_time(knock)
    schema.bring_up_to_date()
    schema.require_known()
    return Check("database", "ok", database_address())


def restore_guard() -> Check:
    from mailer.sending import restore_guard

    restore_guard.check()
    return Check("restore guard", "ok", "the database knows every request and unsubscribe from here")


def deliveries() -> Check:
    from mailer.sending.orphans import orphaned_batches

    if orphaned := orphaned_batches():
        return Check(
            "deliveries",
            "error",
            f"some belong to a batch that does not exist, or to one of another send ({_numbered(orphaned)}), so it is "
            "unknown who got the email: something other than mailer changed the database, or a restore was cut short. "
            "Restore a backup; if nobody touched the database, please report this bug",
        )
    return Check("deliveries", "ok", "each belongs to a batch of its send")


def link_keys() -> Check:
    from mailer.store import rotating

    alive = [one for one in rotating.listed() if one.state is not rotating.State.RETIRED]
    told = ", ".join(f"{one.number} {one.state.value}" for one in alive)
    return Check("link keys", "ok", f"{told}; `mailer keys rotate` creates a new one")


def clock() -> Check:
    from mailer.sending import clocks
    from mailer.store.clock import WRONG

    off = clocks.ahead()
    if why := clocks.why_wrong(off):
        wrong = abs(off) > WRONG
        return Check("clock", "error" if wrong else "warning", f"{why} Nothing is sent from here." if wrong else why)
    return Check("clock", "ok", "agrees with the database's clock")


def broker() -> Check:
    if settings.EMBEDDED:
        return Check("broker", "ok", f"none set: commands start a worker of their own, {_starts_one()}")
    from mailer.broker import why_no_broker
    from mailer.celery import app

    if why := in_time(why_no_broker):
        return Check("broker", "error", why)
    connection = app.connection_for_write()
    where = f"{connection.hostname}:{connection.port}"
    if not settings.BROKER.is_verified:
        return Check("broker", "warning", f"{where}, unverified: ssl_cert_reqs=none skips the certificate check")
    return Check("broker", "ok", where)


def worker() -> Check:
    from mailer.store import clock, presence
    from mailer.store.presence import worker_swept_lately

    idle = presence.idle_workers(clock.now())
    if worker_swept_lately():
        return Check(
            "worker",
            "warning" if idle else "ok",
            f"checked in within the last minute. {idle}" if idle else "checked in within the last minute",
        )
    if idle:
        return Check("worker", "error", idle)
    if settings.EMBEDDED:
        return Check("worker", "ok", f"none running; commands start their own, {_starts_one()}")
    return Check(
        "worker", "warning", ("no worker that may send has checked in for a minute; start one with `mailer worker`")
    )


def _numbered(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "")


def _starts_one() -> str:
    """Say how to start a worker: `mailer serve` includes one only if one command is a whole installation."""
    from django.db import connection

    return "`mailer serve` starts one" if connection.vendor == "sqlite" else "`mailer worker` runs one"


def refusals() -> Iterator[Check]:
    """Yield the reasons why receivers rejected our domain, IP address or content in the last week."""
    from mailer.sending.domains import refusals_of
    from mailer.store import accounts, clock

    sends = accounts.own_sends().values_list("pk", flat=True)
    found = refusals_of(*sends, since=clock.now() - timedelta(days=7))
    for one in found:
        detail = f"{counted(one.subscribers, 'email')} in the last week: {one.policy.says}; {one.fix}"
        yield Check(f"receivers {one.policy.key}", "warning", detail)
    if not found:
        yield Check("receivers", "ok", "none has refused your domain, IP address or content in the last week")


def account() -> Check:
    from mailer.models import REHEARSAL
    from mailer.store import accounts

    if settings.PROVIDER == REHEARSAL:
        return Check("account", "ok", "a rehearsal needs none")
    known = accounts.known_account()
    if known:
        return Check("account", "ok", f"`{known.name}` ({known.host}), by the key {accounts.fingerprint()}")
    try:
        accounts.refuse_unknown_key()
    except accounts.UnknownKey as unknown:
        return Check("account", "error", str(unknown))
    name = accounts.name_here()
    return Check("account", "ok", f"the key {accounts.fingerprint()} will belong to `{name}` once it is used")


def waiting_for_others() -> Iterator[Check]:
    """Yield the sends and emails in progress that cannot be sent from here."""
    from mailer.store.elsewhere import waiting

    for one in waiting():
        yield Check(one.what, "warning", one.why)


def leavings() -> Check:
    """Check that everybody who left while the database was down is unsubscribed."""
    from mailer.store import clock, journals

    found = journals.look(clock.now())
    if found.missing:
        where = ", ".join(f"{journals.where(row)} (last seen {clock.in_utc(row.seen_at)})" for row in found.missing)
        return Check(
            "leavings",
            "warning",
            f"a web process ended unexpectedly at {where}; if the database was unavailable then, its MAILER_HOME may "
            "hold unsubscribes in leaving.jsonl: start `mailer serve` there again before the next send. If that "
            "machine is gone for good, run `mailer doctor --forget-missing`",
        )
    if found.lines:
        since = f" since {clock.in_utc(found.since)}" if found.since else ""
        return Check(
            "leavings",
            "warning",
            f"{counted(found.lines, 'subscriber')} waiting{since} in a journal to be unsubscribed; before the next "
            "send, start `mailer serve` in that MAILER_HOME, which does it",
        )
    return Check("leavings", "ok", "no unsubscribes are waiting")


def proxies() -> Check:
    """Check what a request through BASE_URL shows, and what the running web processes have seen."""
    from mailer.web.proxies import FORGOTTEN, Fault

    asked, met = _faults_in_front(), _faults_met()
    detail = [fault.value for fault in Fault if fault.name in {*asked, *met}]
    if detail:
        # A request that bypassed the proxies may have been the operator's own, and anybody can write a Host.
        mild = {"SCHEME", "HOST", "LOCAL_HOST"} >= set(asked) and {"FEWER", "HOST"} >= met
        return Check("proxies", "warning" if mild else "error", "; ".join(detail))
    if settings.MAILER_PROXIES:
        return Check("proxies", "ok", f"{settings.MAILER_PROXIES} in front of `mailer serve`")
    if settings.BASE_URL.startswith("https://"):
        return Check("proxies", "warning", FORGOTTEN)
    return Check("proxies", "ok", "none set, and no running web process has seen one")


def _faults_in_front() -> list[str]:
    from mailer.publishing.reachability import faults_in_front
    from mailer.store.installation import public_id

    public_id()  # asked once, with this thread's connection
    try:
        return in_time(lambda: faults_in_front(settings.BASE_URL)) or []
    except NoAnswer:
        return []  # the check of BASE_URL says so


def _faults_met() -> set[str]:
    from mailer.models import Process
    from mailer.store import clock
    from mailer.store.presence import running

    states = running(Process.Kind.WEB, clock.now()).values_list("state", flat=True)
    return {name for state in states for name in state.get("proxy_faults", ())}


def base_url() -> Check:
    from mailer.publishing.reachability import why_unreachable
    from mailer.store.installation import public_id

    public_id()  # asked once, with this thread's connection
    why = in_time(lambda: why_unreachable(settings.BASE_URL))
    if not why:
        return Check("BASE_URL", "ok", f"{settings.BASE_URL} is this installation")
    return Check("BASE_URL", "warning" if settings.PROVIDER_IS_LOCAL else "error", why)
