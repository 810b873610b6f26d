"""The words by which other services say who gets mail, in the languages that their exports are written in.

Where two services mean different things by one word, what mails least counts.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from subscribers.optin import STRENGTH

Verdict = tuple[str, str]  # state, suppressed because

HERE: Verdict = ("active", "")
ASKED: Verdict = ("pending", "")
LEFT: Verdict = ("unsubscribed", "")
BOUNCED: Verdict = ("active", "bounce")
COMPLAINED: Verdict = ("unsubscribed", "complaint")
BLOCKED: Verdict = ("unsubscribed", "manual")
STATE_ORDER = ("active", "pending", "unsubscribed")  # the later mails less
SUPPRESSED_ORDER = ("", *sorted(STRENGTH, key=lambda reason: STRENGTH[reason]))
AWAY = {"unsubscribed": LEFT, "bounced": BOUNCED, "complained": COMPLAINED}
# What --map-state may say.
OUR_STATES = {"active": HERE, "pending": ASKED, **AWAY}

# Service, and the source of its words → verdict: words. None: the word says nothing about who gets mail.
Words = Mapping[Verdict | None, str]
SERVICES: Mapping[str, Words] = {
    "our own; what most services say": {
        HERE: "active, confirmed, subscribed, opted in, opt in, optin",
        ASKED: "pending, unconfirmed, not confirmed, unverified, awaiting confirmation, pending confirmation",
        LEFT: "unsubscribed, opted out, opt out, optout, cancelled, canceled, deleted, archived, deactivated, left, "
        "do not email, do not mail, donotemail, no mail, nomail, not subscribed, nonsubscribed, non subscribed",
        BOUNCED: "bounced, bounce, bouncing, hard bounce, hard bounced, soft bounce, soft bounced, invalid, "
        "undeliverable, unreachable, invalid email, hardbounced, softbounced",
        COMPLAINED: "complained, complaint, spam, abuse, spam complaint, spam report, reported spam",
        BLOCKED: "blocked, banned, suspended, excluded, suppressed, blocklisted, blacklisted, blocklist, blacklist, "
        "do not contact, dnc, donotcontact",
    },
    # mailchimp.com/developer/marketing/api/list-members: `status`
    "Mailchimp": {ASKED: "pending", LEFT: "transactional, archived", BOUNCED: "cleaned"},
    # github.com/buttondown/openapi, enums.json: SubscriberType; docs.buttondown.com for the newer ones
    "Buttondown": {
        HERE: "regular, premium, gifted, trialed, unpaid, churning, churned, past due",
        ASKED: "unactivated, upcoming",
        LEFT: "removed, paused",
        BOUNCED: "undeliverable",
        BLOCKED: "spammy, blocked",
    },
    # developers.beehiiv.com, subscriptions: `status`
    "beehiiv": {ASKED: "validating", LEFT: "inactive, paused, needs attention", BOUNCED: "invalid"},
    # developers.kit.com, subscribers: `state`
    "Kit": {HERE: "active", LEFT: "cancelled, inactive", BOUNCED: "bounced", COMPLAINED: "complained"},
    # sendy.co, the list's export: Status
    "Sendy": {BOUNCED: "bounced, soft bounced", COMPLAINED: "marked as spam"},
    # github.com/mailerlite/mailerlite-nodejs, src/modules/subscribers: possible statuses
    "MailerLite": {HERE: "active", ASKED: "unconfirmed", BOUNCED: "bounced", COMPLAINED: "junk"},
    # github.com/pentacent/keila, lib/keila/contacts/contact.ex: `status`
    "Keila": {HERE: "active", BOUNCED: "unreachable"},
    # github.com/knadh/listmonk, models: "enabled" is not a subscription, only somebody who is not blocked.
    "listmonk": {None: "enabled", LEFT: "disabled", BLOCKED: "blocklisted, blacklisted"},
    # gitlab.com/mailman/mailman, interfaces/member.py: DeliveryStatus; Mailman 2: list_members --nomail
    "Mailman": {
        None: "enabled",
        LEFT: "by user, byuser, by moderator, by admin, byadmin, disabled, nonmember",
        BOUNCED: "by bounces, bybounce, bybounces",
    },
    # github.com/mailpoet/mailpoet, Entities/SubscriberEntity.php: STATUS_
    "MailPoet": {ASKED: "unconfirmed", LEFT: "inactive, trash", BOUNCED: "bounced"},
    # knowledge.hubspot.com: Marketing contact status; the subscription types of an export
    "HubSpot": {None: "marketing contact, not specified", LEFT: "non marketing contact, opted out"},
    # developers.klaviyo.com, collect email and sms consent via api; bulk_unsuppress_profiles
    "Klaviyo": {
        LEFT: "never subscribed",
        BOUNCED: "hard bounce, invalid email",
        BLOCKED: "user suppressed, suppressed",
    },
    # wordpress.com/support: subscribers, Jetpack's export
    "Jetpack": {LEFT: "not sending", ASKED: "not confirmed"},
    # github.com/dotmailer: ContactStatuses; developer.salesforce.com: SubscriberStatus
    "Dotdigital, Salesforce": {
        ASKED: "pendingoptin",
        LEFT: "notallowed, domainsuppression, sharedsuppression",
        BOUNCED: "held, nomxrecord",
        COMPLAINED: "ispcomplained, directcomplaint",
        BLOCKED: "mailblocked",
    },
    "German": {
        HERE: "aktiv, angemeldet, abonniert, bestätigt, eingetragen",
        ASKED: "unbestätigt, nicht bestätigt, ausstehend, unbestaetigt",
        LEFT: "abgemeldet, ausgetragen, abbestellt, gekündigt, inaktiv, gelöscht, deaktiviert, widerrufen, abgelehnt, "
        "nicht abonniert",
        BOUNCED: "unzustellbar, ungültig",
        COMPLAINED: "beschwerde, als spam gemeldet, spam gemeldet",
        BLOCKED: "gesperrt, blockiert",
    },
    "French": {
        HERE: "actif, abonné, abonnée, inscrit, inscrite, confirmé, confirmée",
        ASKED: "en attente, non confirmé, non confirmée",
        LEFT: "désabonné, désabonnée, désinscrit, désinscrite, résilié, résiliée, inactif, inactive, supprimé, "
        "supprimée, non abonné, non inscrit, annulé",
        BOUNCED: "rejeté, rebond, invalide",
        COMPLAINED: "plainte, signalé comme spam, indésirable",
        BLOCKED: "bloqué, bloquée, liste noire, sur liste noire",
    },
    "Spanish": {
        HERE: "activo, activa, suscrito, suscrita, confirmado, confirmada",
        ASKED: "pendiente, sin confirmar, no confirmado, no confirmada",
        LEFT: "baja, de baja, dado de baja, dada de baja, cancelado, cancelada, anulado, inactivo, inactiva, "
        "eliminado, desuscrito, desuscrita, no suscrito, no suscrita",
        BOUNCED: "rebotado, rebote, inválido, inválida",
        COMPLAINED: "queja, marcado como spam",
        BLOCKED: "bloqueado, bloqueada, lista negra",
    },
    "Portuguese": {
        HERE: "ativo, ativa, inscrito, inscrita, confirmado",
        ASKED: "pendente, não confirmado, não confirmada",
        LEFT: "descadastrado, descadastrada, desinscrito, cancelou, inativo, inativa, removido, não inscrito",
        BOUNCED: "devolvido, rejeitado",
        COMPLAINED: "reclamação, denunciado, marcado como spam",
        BLOCKED: "bloqueado",
    },
    "Italian": {
        HERE: "attivo, attiva, iscritto, iscritta, confermato, confermata",
        ASKED: "in attesa, non confermato, non confermata",
        LEFT: "disiscritto, disiscritta, cancellato, cancellata, inattivo, disattivato, annullato, rimosso, "
        "non iscritto",
        BOUNCED: "rimbalzato, non valido",
        COMPLAINED: "reclamo, segnalato come spam",
        BLOCKED: "bloccato, lista nera",
    },
    "Dutch": {
        HERE: "actief, ingeschreven, aangemeld, bevestigd",
        ASKED: "niet bevestigd, in afwachting",
        LEFT: "uitgeschreven, afgemeld, inactief, opgezegd, verwijderd",
        BLOCKED: "geblokkeerd",
    },
    "Chinese": {
        HERE: "订阅, 已订阅, 已确认, 活跃, 訂閱, 已訂閱, 已確認",
        ASKED: "未确认, 待确认, 未激活, 未確認, 待確認",
        LEFT: "已退订, 退订, 取消订阅, 已取消, 已取消订阅, 未订阅, 已删除, 禁用, 已禁用, "
        "退訂, 已退訂, 取消訂閱, 未訂閱",
        BOUNCED: "退信, 已退信, 硬退信, 软退信, 无效, 無效",
        COMPLAINED: "投诉, 已投诉, 垃圾邮件, 投訴, 垃圾郵件",
        BLOCKED: "黑名单, 拒收, 已拒收, 屏蔽, 已屏蔽, 黑名單",
    },
}
# github.com/Mailtrain-org/mailtrain, shared/lists.js: SubscriptionStatus
NUMBERS: Mapping[str, Verdict] = {"1": HERE, "2": LEFT, "3": BOUNCED, "4": COMPLAINED}
# github.com/mautic/mautic, LeadBundle/Entity/DoNotContact.php
DO_NOT_CONTACT: Mapping[str, Verdict | None] = {"0": None, "1": LEFT, "2": BOUNCED, "3": BLOCKED}
# RFC 3463: a provider's list of bounces says so; RFC 5321 §4.2.
_REFUSED = re.compile(r"[45](\.\d{1,3}){2}|[45]\d\d")


@lru_cache(4096)
def folded(word: str) -> str:
    """Return the word without accents, in lower case, with single spaces for `_` and `-`: désabonné is desabonne."""
    bare = "".join(
        c
        for c in unicodedata.normalize("NFKD", word.lower())
        if not unicodedata.combining(c) and unicodedata.category(c) != "Cf"
    )
    return " ".join(bare.replace("_", " ").replace("-", " ").split())


def split(words: str) -> list[str]:
    return [folded(word) for word in words.split(",")]


def least(verdicts: Sequence[Verdict]) -> Verdict:
    """Return, of all that is said, what mails least."""
    state = max((state for state, _ in verdicts), key=STATE_ORDER.index)
    return state, max((reason for _, reason in verdicts), key=SUPPRESSED_ORDER.index)


def is_leaving(verdict: Verdict) -> bool:
    return verdict[0] == "unsubscribed" or bool(verdict[1])


def _all(services: Iterable[Words]) -> dict[str, Verdict | None]:
    said: dict[str, list[Verdict | None]] = {}
    for words in services:
        for verdict, text in words.items():
            for word in split(text):
                said.setdefault(word, []).append(verdict)
    return {word: _agreed(verdicts) for word, verdicts in said.items()}


def _agreed(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    told = [verdict for verdict in verdicts if verdict]
    # A word that says nothing outranks a yes, and yields to a no.
    return None if None in verdicts and HERE in (told or [HERE]) else least(told)


STATES = _all(SERVICES.values())
YES = set(
    split("true, 1, yes, y, t, on, x, ✓, 是, 对, 真, ja, wahr, oui,  vrai, sí, verdadero, sim, verdadeiro, vero, waar")
)
NO = set(split("false, 0, no, n, f, off, 否, 不, 假, nein, falsch, non, faux, falso, não, nee, onwaar"))
NOTHING = {
    "null",
    "none",
    "nan",
    "n/a",
    "-",
    "\\n",
    "0000-00-00",
    "0000-00-00 00:00:00",
}  # how databases write an empty date


class UnknownWord(ValueError):
    """The word is none of `STATES`."""


def state_of(word: str) -> Verdict | None:
    """Return what the word, in lower case, says; None if it says nothing about mail. Raises UnknownWord."""
    if word in STATES:
        return STATES[word]
    if (bare := folded(word)) in STATES:
        return STATES[bare]
    if _REFUSED.fullmatch(word):
        return BOUNCED
    raise UnknownWord(word)


def is_yes(word: str) -> bool:
    return word in YES or folded(word) in YES


def is_no(word: str) -> bool:
    return word in NO or folded(word) in NO
