"""What a column may say, and by which headings: our own names, and those of the services that people come from.

Where the names come from: Mailchimp, Substack (email_list.csv) and beehiiv from the examples in TryGhost/migrate
(packages/mg-*-members*), Mailchimp's in other languages from exports that people show; Substack's dashboard export from
its own column menu; Ghost from TryGhost/Ghost (members-csv); listmonk from cmd/subscribers.go; Buttondown from
docs.buttondown.com (api-subscribers-introduction); Brevo from developers.brevo.com (contacts: emailBlacklisted) and its
export; Mautic from LeadBundle (import fields, the report of contacts that are not to be contacted); Mailman from
core's REST API (members); MailPoet from its export (Global status, List status); HubSpot from knowledge.hubspot.com
(email properties); Salesforce from its object reference (HasOptedOutOfEmail); phpList from its table of users.
"""

import re
from collections.abc import Mapping

from subscribers.files.words import folded

_NAMES: Mapping[str, tuple[str, ...]] = {
    "email": (
        "email",
        "e mail",
        "email address",
        "e mail address",
        "subscriber email",
        "mail",
        "emailadresse",
        "e mail adresse",
        "email adresse",
        "adresse e mail",
        "adresse email",
        "courriel",
        "adresse courriel",
        "correo electrónico",
        "dirección de correo electrónico",
        "indirizzo email",
        "indirizzo e mail",
        "endereço de email",
        "endereço de e mail",
        "e mailadres",
        "emailadres",
        "邮箱",
        "邮箱地址",
        "电子邮件",
        "电子邮件地址",
        "電子郵件",
        "電子郵件地址",
        "subscriber",  # MailerLite
        "subscribed addresses",  # Mailman's Postorius
    ),
    "state": (
        "state",
        "status",
        "subscriber type",
        "email marketing status",
        "subscription status",
        "subscriber status",
        "email status",
        "delivery status",
        "global status",
        "list status",
        "statut",
        "estado",
        "stato",
        "situação",
        "abostatus",
        "状态",
        "订阅状态",
        "狀態",
        "訂閱狀態",
    ),
    "name": ("name", "full name", "display name", "nombre completo", "nom complet", "姓名"),
    "first_name": ("first name", "firstname", "fname", "vorname", "prénom", "nombre"),
    "last_name": ("last name", "lastname", "lname", "nachname", "apellido", "apellidos", "cognome", "sobrenome"),
    "language": ("language",),
    "newsletter": ("newsletter",),
    "suppressed": ("suppressed",),
    "requested_at": (
        "requested at",
        "optin time",
        "opt in time",
        "optin date",
        "opt in date",
        "created at",
        "creation date",
        "start date",
        "subscription date",
        "subscribed at",
    ),
    "confirmed_at": ("confirmed at", "confirm time"),
    "unsubscribed_at": (
        "unsubscribed at",
        "unsub time",
        "unsubscription date",
        "unsubscribe date",
        "unsubscribed date",
        "date unsubscribed",
        "opt out date",
        "opt out time",
        "optout date",
        "optout time",
        "abmeldedatum",
        "abgemeldet am",
        "date de désinscription",
        "date de désabonnement",
        "fecha de baja",
        "退订时间",
        "退订日期",
    ),
    "suppressed_at": ("suppressed at", "clean time", "undeliverability date"),
    "source": ("source", "subscription source (free)", "acquisition source", "utm source", "referrer url"),
    "network": ("network", "confirm ip", "optin ip", "opt in ip", "ip address"),
    "subscribed": (  # no: gets no mail
        "subscribed to emails",
        "subscribed",
        "is subscribed",
        "opted in",
        "opt in",
        "optin",
        "optedin",
        "accepts email marketing",
        "accepts marketing",
        "email marketing",
        "email marketing consent",
        "marketing consent",
        "email consent",
        "angemeldet",
        "abonniert",
        "abonné",
        "inscrit",
        "suscrito",
        "iscritto",
        "inscrito",
        "是否订阅",
        "订阅",
        "是否訂閱",
        "訂閱",
    ),
    "disabled": ("email disabled",),  # yes: gets no mail; no: gets it
    # Yes, or the day. No does not say that they ever agreed.
    "unsubscribed": (
        "unsub time",
        "deleted at",
        "unsubscribed",
        "is unsubscribed",
        "opted out",
        "opt out",
        "optout",
        "email opt out",
        "abgemeldet",
        "abbestellt",
        "désabonné",
        "désinscrit",
        "baja",
        "dado de baja",
        "disiscritto",
        "descadastrado",
        "uitgeschreven",
        "退订",
        "已退订",
        "是否退订",
        "退訂",
        "已退訂",
    ),
    "bounced": ("clean time", "bounced", "is bounced", "hard bounced", "hard bounce", "bounced at", "退信"),
    "complained": ("complained", "is complained", "marked as spam", "reported spam", "spam complaint", "投诉", "投訴"),
    # Yes, the day, or Mautic's number of the reason. No says neither that they agreed nor that they left.
    "do_not_mail": (
        "do not email",
        "donotemail",
        "do not mail",
        "do not contact",
        "donotcontact",
        "dnc",
        "dnc reason",
        "email blacklisted",
        "emailblacklisted",
        "blacklisted",
        "blocklisted",
        "unsubscribed from all email",
        "unsubscribed from all emails",
        "hasoptedoutofemail",
        "has opted out of email",
        "opted out of email",
        "marketing contact status",
        "disabled",
        "gesperrt",
        "liste noire",
        "lista negra",
        "黑名单",
        "黑名單",
        "拒收",
    ),
    "bounce_reason": ("email hard bounce reason", "hard bounce reason", "bounce reason", "undeliverability reason"),
    # No, or 2 at Brevo: not confirmed yet. Yes does not say that they are still subscribed.
    "double_optin": ("double opt in", "double optin", "doi", "confirmed", "is confirmed", "email confirmed"),
    "left_because": ("unsub reason", "unsubscription reason"),
    "dnc_channel": ("do not contact channel",),  # of Mautic's report: the channel they must not be contacted by
    "permission": (),  # Mailchimp's `Email`: yes; a blank is not a yes, even if the file says subscribed
    "role": (),  # of Mailman's members; in other files it is a job
}
# Field → headings that mean it, the better ones first, without accents and in lower case; `_` and `-` are spaces.
NAMES = {field: tuple(dict.fromkeys(map(folded, names))) for field, names in _NAMES.items()}
# What tells of a file's people that they are here. Of such columns all count, and of two that disagree the one that
# mails least.
STATES = ("state", "subscribed", "disabled", "unsubscribed", "bounced", "complained")
# Fields that say who gets mail.
VOICES = (
    *STATES,
    "unsubscribed_at",
    "suppressed",
    "left_because",
    "do_not_mail",
    "bounce_reason",
    "double_optin",
    "dnc_channel",
    "permission",
    "role",
)
# Headings that sound as if they told who gets mail, in the languages of `words`, without accents.
_CONSENT = re.compile(
    r"subscri|\bopt|status|state|consent|permi(ssion|so)|\bactiv|gdpr|dsgvo|rgpd|mailing|newsletter|email marketing"
    r"|confirm|verif|agree|allow|einwillig|zustimm|erlaubnis|\baktiv|\bactif|\bactivo|\bativo|\battivo|\babo\b|abonn|angemeldet"
    r"|marketing|werbung|publici|pubblici|contact|kontakt|mailable|sendable|\bsend|recei|\be ?mails?\b"
    r"|\bwants?\b|accord"
    r"|consenso|允许|允許|发送|發送|inscri|iscri|suscri|statut|estado|stato|状态|订阅|狀態|訂閱|同意|许可|接收"
)
_LEAVING = re.compile(
    r"unsub|\bopt(ed)? ?out|bounce|complain|spam|abuse|black ?list|block|suppress|\bdo ?not\b|\bdont\b|donot|\bdnc\b"
    r"|\bno ?((e ?)?mail|marketing|contact|newsletter)|\bnot\b|\bnever\b|\bstop|archiv|inactiv|deactiv"
    r"|inaktiv|deaktiv|\bnicht\b|\bniet\b|\bgeen\b|afmeld|uitgeschr|desactiv|inativ|inattiv|disattiv"
    r"|opposi|oposi|liste rouge|molest|\bnon (contatt|invia)|avregistr|avmeld|odhlas|wypis|отпис"
    r"|exclu|remov|delet|\bleft\b|\bquit\b|\bleav|cancel|undeliver|invalid|revok|withdr|\bout\b"
    r"|abgemeld|abmeld|abbestell|austrag|ausgetrag|sperr|widerruf|widerspr|keine? |kundig|geloscht|unzustell"
    r"|desabo|desins|resili|refus|retrait|retir|\bne (pas|plus)\b|liste noire|supprim|bloqu|annul"
    r"|\bbajas?\b|\bno (enviar|contactar|desea)|rechaz|revoc|eliminad|lista negra"
    r"|descadastr|\bnao (enviar|contatar)|disiscri|cancell"
    r"|退订|退訂|拒|黑名|投诉|投訴|屏蔽|取消|删除|刪除|退信|停止|停用|配信停止|免打扰|免打擾|勿"
)
# Headings that only sound like it. Substack's says who pays; Mailchimp's adds to an unsubscription that is read.
HARMLESS = {
    "active subscription",
    "unsub campaign title",
    "unsub campaign id",
    "unsub reason other",
    "unsubscribe event id",
}
# Nor do headings about other channels, or about how often something happened, say it.
_OTHER = re.compile(
    r"\b(sms|mms|phone|mobile|call|calls|whatsapp|push|direct mail|postal|post|fax|html)\b"
    r"|\b(viber|telefon|telefono|telephone|courrier)\b"
    r"|\bids?\b|\b(opened|opens|clicked|clicks|dropped|delivered|sent|seen|viewed|views|received)\b|\(\d+ ?mo\)"
    r"|\bcount\b|count$|\btotal\b|\bnumber\b|\banzahl\b|\bscore\b|\brate\b|短信|电话"
)
_KNOWN = HARMLESS | {name for field, names in NAMES.items() if field not in VOICES for name in names}


def sounds_of_consent(heading: str) -> bool:
    """Tell whether a heading sounds as if its column told who wants mail, or who does not."""
    name = folded(heading)
    return name not in _KNOWN and bool(_CONSENT.search(name) or _LEAVING.search(name)) and not is_of_others(heading)


def sounds_of_leaving(heading: str) -> bool:
    name = folded(heading)
    return name not in _KNOWN and bool(_LEAVING.search(name)) and not is_of_others(heading)


def is_of_others(heading: str) -> bool:
    return bool(_OTHER.search(folded(heading)))
