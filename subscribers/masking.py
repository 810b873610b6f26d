"""Mask an address for eyes that may not be its subscriber's: newsletters get forwarded."""


def masked(email: str) -> str:
    """Show enough for the subscriber to recognize it, too little for anybody else to use: a…@e….org."""
    local, _, domain = email.rpartition("@")
    host, _, ending = domain.rpartition(".")
    return f"{local[:1]}…@{host[:1]}….{ending}"


def masked_on_one_line(email: str) -> str:
    """Mask for pages: add a word joiner after each ellipsis, where browsers would break the line."""
    return masked(email).replace("…", "…\u2060")
