"""Run a command that cannot outlive its parent: tether.py SIGNAL PARENT_PID USER COMMAND ...

Linux sends SIGNAL when the parent (exactly: the thread that started us) dies, whatever killed it. Elsewhere the command runs
untethered. As root, USER (may be empty) is whom the command runs as. Done by a script of its own and not by preexec_fn,
because forking Python code in a process with threads may deadlock. Only the standard library; started with `python -I -S`.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Sequence
from signal import Signals

PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], signal: Signals, user: str = "") -> list[str]:
    """Return the command line that runs the command as our child, tethered to us."""
    return [sys.executable, "-I", "-S", __file__, str(int(signal)), str(os.getpid()), user, *command]


def main(signal: int, parent: int, user: str, command: list[str]) -> None:
    if user:
        account = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.environ["HOME"] = "/"
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)  # after setuid, which would clear it
        if os.getppid() != parent:
            sys.exit("The parent is gone already.")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
