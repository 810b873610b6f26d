"""Tell which addresses belong to the public internet: `mailer check --links` requests only these.

The list is our own, because Python's changes with its version and lacks some. From IANA's registries of special-purpose
addresses for IPv4 and IPv6 (of 2025), of multicast addresses, and from the addresses at which clouds answer their own
machines. What is not listed in IPv6 is public only within 2000::/3, the one range that IANA assigns.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NEVER = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # of a provider's own, and Alibaba's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own
        "169.254.0.0/16",  # this link, and metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # the way into 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "2001::/23",  # protocols, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",
        "3fff::/20",  # documentation
    )
]
GIVEN_OUT = ipaddress.ip_network("2000::/3")
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # where a network has no IPv4 of its own, its name server gives these


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet, even if IPv6 wraps an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in TRANSLATED:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in GIVEN_OUT:
            return False
    return not any(address in network for network in NEVER if network.version == address.version)
