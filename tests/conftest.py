"""What every test may count on."""

import signal

# A run in the background of a shell inherits an ignored SIGINT, and so would every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
