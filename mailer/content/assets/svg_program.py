"""Draw one SVG from stdin as PNG to stdout: the program that `svg` runs, and nothing imports.

A few hundred bytes of SVG can ask for minutes and gigabytes, in more ways than a list could refuse. So a drawing gets a
process of its own, whose limits nothing in the drawing can reach. It exits with 3 and the reason on stderr if a drawing
is malformed; the system kills it if the drawing is too much.
"""

import resource
import sys
from contextlib import suppress

SECONDS = 2  # of CPU
MEMORY = 300 * 2**20  # bytes
WRONG = 3


def main() -> int:
    for what, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS does not limit memory
            resource.setrlimit(what, (most, most))
    import resvg_py

    try:
        drawn = resvg_py.svg_to_bytes(svg_string=sys.stdin.buffer.read().decode(), skip_system_fonts=True)
    except BaseException as error:  # noqa: BLE001 — a panic in Rust is one too
        sys.stderr.write(" ".join(str(error).split())[:100])
        return WRONG
    sys.stdout.buffer.write(bytes(drawn))
    return 0


if __name__ == "__main__":
    sys.exit(main())
