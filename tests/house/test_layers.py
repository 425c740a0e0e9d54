"""Who may import whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    told = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_preview_program_and_the_keeper_import_nothing_of_ours() -> None:
    for name in ("preview_process", "keeper"):
        source = (ROOT / "portal" / f"{name}.py").read_text()
        assert "portal" not in {
            line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
        }
