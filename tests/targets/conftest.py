"""A fake machine to set up."""

from tests.setup.conftest import machine as machine
