import argparse
import json
import threading
from pathlib import Path

from tests.stand_in import KEY, StandIn


def main() -> None:
    parser = argparse.ArgumentParser(description="a SendGrid for tests; nobody receives mail")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--latency", type=float, default=0.0)
    options = parser.parse_args()
    with StandIn(key=options.key, port=options.port, log=options.log, latency=options.latency) as api:
        print(json.dumps({"url": api.url, "key": api.key}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
