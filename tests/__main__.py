"""Run the tests: with arguments what pytest makes of them, without all, as two runs at once.

One mostly waits for real Flinks, on four cores or more in two processes; the other one mostly computes, in a process for each
core. What the first one says is shown when both have ended.
"""

import os
import subprocess
import sys
import tempfile
from signal import SIGTERM

from oceanus_console.tether import tethered

PYTEST = [sys.executable, "-m", "pytest"]
# Files stay together, and what is prepared for one.
IN_PARTS = ["-n", "auto", "--dist", "loadfile"]
# What takes longest comes first. Each process has a Flink of its own, and fewer cores are busy enough with the other tests.
AT_FLINK = ["tests/test_trials.py", "tests", "-m", "flink"]
IN_TWO = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"] if (os.cpu_count() or 1) >= 4 else []
# Both would write to the same files.
APART = ["-p", "no:cacheprovider", "--output", "test-results-flink"]


def main() -> int:
    """Return 0 if all is well, otherwise one of pytest's exit codes."""
    with tempfile.TemporaryFile() as said:
        waiting = subprocess.Popen(tethered([*PYTEST, *AT_FLINK, *IN_TWO, *APART], SIGTERM), stdout=said, stderr=said)
        try:
            computing = subprocess.call(tethered([*PYTEST, "-m", "not flink", *IN_PARTS], SIGTERM))
        finally:  # Ctrl-C reaches both
            waiting.wait()
            said.seek(0)
            sys.stdout.buffer.write(said.read())
    return computing or waiting.returncode


if __name__ == "__main__":
    if arguments := sys.argv[1:]:
        os.execv(sys.executable, [*PYTEST, *arguments])
    sys.exit(main())
