"""When a scheduled send starts: `2019-07-02T09:00` in a newsletter's time zone, or `+5m` from now."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_IN = re.compile(r"\+(\d{1,5})\s*([smhd])")
_AT = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class InvalidTime(ValueError):
    """The text names no time to send at; the message says why and what to write."""


def read_time(text: str, zone: str, now: datetime) -> datetime:
    """Return the time that `text` names, in UTC: always after `now`.

    When clocks go back an hour, the first of the two times that is still to come is meant; an hour that clocks skip is
    refused.
    """
    moment = _from_now(text, now) or _by_the_clock(text, zone, now)
    if moment <= now:
        raise InvalidTime(
            f"{text} is in the past ({describe(moment, zone, now)}); choose a later time, or leave out --at."
        )
    return moment


def describe(moment: datetime, zone: str, now: datetime) -> str:
    """Return `Tuesday 2019-07-02 09:00 Asia/Shanghai, 01:00 UTC, in 3 h 5 min`; UTC is not said twice."""
    local = moment.astimezone(ZoneInfo(zone))
    utc = moment.astimezone(UTC)
    day = "" if utc.date() == local.date() else f"{utc:%Y-%m-%d} "
    in_utc = "" if zone == "UTC" else f", {day}{utc:%H:%M} UTC"
    return f"{local:%A %Y-%m-%d %H:%M} {zone}{in_utc}, {_distance(moment - now)}"


def _from_now(text: str, now: datetime) -> datetime | None:
    found = _IN.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return now + timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise InvalidTime(f"{text} is too far in the future.") from None


def _by_the_clock(text: str, zone: str, now: datetime) -> datetime:
    found = _AT.fullmatch(text.strip())
    if found is None:
        raise InvalidTime(
            f"{text!r} is not a time; write 2036-07-02T09:00 (in the newsletter's time zone) or +5m, +2h, +1d."
        )
    try:
        local = datetime(*map(int, found.groups()), tzinfo=ZoneInfo(zone))  # type: ignore[arg-type, misc]
    except ValueError as error:
        raise InvalidTime(f"{text!r} is not in the calendar: {error}.") from None
    moment = local.astimezone(UTC)
    back = moment.astimezone(ZoneInfo(zone))
    if back.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise InvalidTime(f"there is no {text} in {zone}: clocks go forward then; {back:%Y-%m-%dT%H:%M} exists.")
    return moment if moment > now else local.replace(fold=1).astimezone(UTC)


def _distance(span: timedelta) -> str:
    minutes = round(abs(span.total_seconds()) / 60)
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    span_text = " ".join(part for part in parts if part) or "less than a minute"
    return f"in {span_text}" if span > timedelta(0) else f"{span_text} ago"
