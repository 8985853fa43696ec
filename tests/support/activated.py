"""`python activated.py DESCRIPTOR PROGRAM…`: become a program that was passed one socket, as systemd starts one.

`LISTEN_PID` is the program's own, which nobody knows before it exists.
"""

import os
import sys

FIRST = 3


def main() -> None:
    descriptor, *program = sys.argv[1:]
    os.dup2(int(descriptor), FIRST)  # which a child inherits
    told = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "edge"}
    os.execve(program[0], program, {**os.environ, **told})


if __name__ == "__main__":
    main()
