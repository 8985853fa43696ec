"""What goes wrong with a disposable service or worker."""


class Failed(Exception):
    """It did not come to what was waited for, or left something behind; the message says what."""
