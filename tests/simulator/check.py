"""Have a program that checks simulators from outside look at this one.

`python -m tests.simulator.check PROGRAM [--python PYTHON] [arguments of the program]` starts the simulator on a free port, runs
`PYTHON PROGRAM --base http://127.0.0.1:<port> …`, ends the simulator, and exits as the program did. PYTHON is one that has what
the program needs; this installation's own unless told.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from pathlib import Path

from portal.simulator import create_simulator
from portal.simulator.server import listen


def main(given: list[str] | None = None) -> int:
    """Run it; its exit status is ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--python", default=sys.executable)
    options, more = parser.parse_known_args(given)
    server = listen(create_simulator(), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        return subprocess.run([options.python, str(options.program), "--base", base, *more], check=False).returncode
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
