"""Live through the fault matrix: `./dev chaos faults` runs each test that is about a row and tells which rows held.

A row is lived through by one test or more, marked with `pytest.mark.fault`; each of them ends healed, waiting with a date, or
needing a person. Rows without a test are told as missing.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence

import pytest

ROWS = tuple(
    f"F{number:02}"
    for first, last in ((1, 14), (20, 29), (30, 40), (50, 60), (80, 87), (90, 93))
    for number in range(first, last + 1)
)


class Told:
    """Collects how the tests of each row ended."""

    def __init__(self) -> None:
        self.passed: defaultdict[str, int] = defaultdict(int)
        self.failed: defaultdict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Pytest's hook."""
        rows = {value for name, value in report.user_properties if name == "fault"}
        for row in rows:
            if report.failed:
                self.failed[str(row)].append(report.nodeid)
            elif report.when == "call" and report.passed:
                self.passed[str(row)] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, tell, and answer 0 only when every row holds."""
    told = Told()
    pytest.main(["-m", "fault", "--numprocesses", "2", "--dist", "worksteal", *(arguments or sys.argv[1:])], plugins=[told])
    held = [row for row in ROWS if told.passed[row] and not told.failed[row]]
    print()
    for row in ROWS:
        state = "held" if row in held else ("broken" if told.failed[row] else "missing")
        print(f"{row}  {state:8} {told.passed[row]:3} passed" + "".join(f"\n     {name}" for name in told.failed[row]))
    print(f"\n{len(held)} of {len(ROWS)}")
    return 0 if len(held) == len(ROWS) else 1


if __name__ == "__main__":
    sys.exit(main())
