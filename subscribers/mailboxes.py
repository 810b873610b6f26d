"""Tell which addresses count as one mailbox. For limits alone: identity and delivery stay as typed, see `addresses`."""

DOTS_DO_NOT_COUNT = ("gmail.com", "googlemail.com")


def folded(email_key: str) -> str:
    """Return the address without its `+tag`, and at Gmail without dots and under one domain.

    Otherwise a stranger could mail one person as often as they can think of tags.
    """
    local, _, domain = email_key.rpartition("@")
    if domain in DOTS_DO_NOT_COUNT:
        local, domain = local.replace(".", ""), DOTS_DO_NOT_COUNT[0]
    return f"{local.partition('+')[0] or local}@{domain}"
