"""What a visitor may fill in, and how our own form, filled in by a person, is told from anything else."""

import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from hashlib import sha256

from django.core import signing
from django.http import HttpRequest

FASTEST = timedelta(seconds=2)  # people take longer, scripts do not
OLDEST = timedelta(hours=24)
SALT = "subscribers.web.forms"
LONGEST_INPUT, LONGEST_ANSWER = 400, 800


class Made(Enum):
    """How a form came to us."""

    BY_A_PERSON = "in good time"
    TOO_FAST = "within two seconds"
    NOT_HERE = "without our signed time, or long ago"


@dataclass(frozen=True)
class SignUp:
    email: str  # as sent, unchecked
    bait: str  # the honeypot: a field that no person sees
    form_time: str  # signed
    wait: str = ""  # signed; see `challenges`
    answer: str = ""  # to a challenge


def sent(request: HttpRequest, name: str, longest: int = LONGEST_INPUT) -> str:
    """Return the value of this field, cut to what anybody would type; "" without the field."""
    return request.POST.get(name, "")[:longest]


def sign_up_of(request: HttpRequest) -> SignUp:
    return SignUp(
        email=sent(request, "email").strip(),
        bait=sent(request, "website"),
        form_time=sent(request, "form_time"),
        wait=sent(request, "wait"),
        answer=sent(request, "altcha", LONGEST_ANSWER),
    )


def new_form_time() -> str:
    """Return the signed time at which a form is shown; no two are equal, because one email uses up each."""
    return signing.TimestampSigner(salt=SALT).sign(secrets.token_urlsafe(9))


def token_of(form: SignUp) -> str:
    """Return what identifies this form once it is used up."""
    return sha256(form.form_time.encode()).hexdigest()


def made(form_time: str) -> Made:
    try:
        shown = signing.Signer(salt=SALT).unsign(form_time).rpartition(":")[2]
    except signing.BadSignature:
        return Made.NOT_HERE
    # This machine's clock, because the form shows without the database. A future time came from another machine whose
    # clock is ahead: taken as too fast, the form would keep it and be refused until then.
    age = timedelta(seconds=time.time() - signing.b62_decode(shown))  # noqa: TID251
    if not timedelta(0) <= age <= OLDEST:
        return Made.NOT_HERE
    return Made.BY_A_PERSON if age > FASTEST else Made.TOO_FAST
