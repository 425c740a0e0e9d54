"""The command that has the simulator checked from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator import check

PROGRAM = """
import json, sys, urllib.request
assert sys.argv[1] == "--base" and sys.argv[3:] == ["--shuffle", "7"], sys.argv
with urllib.request.urlopen(sys.argv[2] + "/_control/health") as answer:
    sys.exit(3 if json.load(answer) == {"ok": True} else 1)
"""


def test_the_program_meets_the_simulator_and_decides(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    assert check.main([str(program), "--shuffle", "7"]) == 3


def test_it_wants_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check.main([])
    assert "program" in capsys.readouterr().err
