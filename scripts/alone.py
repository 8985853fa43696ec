"""alone.py FOLDER COMMAND...: run COMMAND once nothing else runs by this in FOLDER.

The lock is the folder's own. COMMAND and what it starts inherit it, so that it ends with the last of them: a setup that
is killed may leave a pip at work, and two in one environment break each other's.
"""

import fcntl
import os
import sys

folder, *command = sys.argv[1:]
lock = os.open(folder, os.O_RDONLY)
os.set_inheritable(lock, True)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.stdout.write("setup: another setup is at work here; waiting for its end\n")
    sys.stdout.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
os.execv(command[0], command)
