"""Tell where a request came from, as coarsely as limits and consent records need it."""

from ipaddress import IPv6Address, ip_address, ip_network

UNKNOWN = "unknown"


def client_address(remote: str, forwarded_for: str, proxies: int) -> str:
    """Return the visitor's address, with `proxies` servers of ours in front.

    Each proxy appends the address it saw, so only the last `proxies` entries of X-Forwarded-For are trustworthy; the
    visitor may have made up those before them.
    """
    if not proxies:
        return remote
    entries = [entry.strip() for entry in forwarded_for.split(",") if entry.strip()]
    return entries[-proxies] if len(entries) >= proxies else remote


def network(address: str) -> str:
    """Truncate the address to its network, /24, or /48 for IPv6: enough to count, too little to identify a person."""
    try:
        ip = ip_address(address.strip().strip("[]"))
    except ValueError:
        return UNKNOWN
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    bits = 24 if ip.version == 4 else 48
    return str(ip_network((int(ip) if not isinstance(ip, IPv6Address) else ip.packed, bits), strict=False))
