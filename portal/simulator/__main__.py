"""`python -m portal.simulator --port 5051`: the simulator alone, on this machine only."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from urllib.parse import urlsplit

from portal.simulator.app import create_simulator
from portal.simulator.server import LOOPBACK, listen


def main() -> int:
    """Serve until told to stop. Refuses to start beside production settings."""
    parser = argparse.ArgumentParser(
        prog="simulator", description="A stand-in for Qonto, for demos and tests. It moves no money."
    )
    parser.add_argument("--port", type=int, default=5051, help="0 picks a free one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which story is told (default: %(default)s)")
    parser.add_argument(
        "--client-redirect", action="append", default=[], metavar="URI", help="where the built-in app may be sent"
    )
    parser.add_argument("--files-base", metavar="ORIGIN", help="origin of file addresses (default: http://localhost:<port>)")
    options = parser.parse_args()
    for name in ("PUBLIC_URL", "QONTO_API_URL", "QONTO_OAUTH_URL"):
        if (address := os.environ.get(name)) and urlsplit(address).hostname not in LOOPBACK:
            print(f"{name} points at {address}: the simulator does not start beside production settings.", file=sys.stderr)
            return 2
    app = create_simulator(seed=options.seed, client_redirects=options.client_redirect, files_base=options.files_base)
    server = listen(app, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"Qonto simulator on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
