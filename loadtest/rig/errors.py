"""What can keep a load test from telling anything."""


class RunFailed(Exception):
    """Something of the load test itself did not work; the message says what, and what to do."""


class Misuse(RunFailed):
    """Something was asked for that cannot be done."""
