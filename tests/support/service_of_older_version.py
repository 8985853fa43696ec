"""A supervisor that takes itself for an older version of the package: `python service_of_older_version.py …`."""

import sys

import modelsvc

modelsvc.__version__ = "0.0.1"

from supervisor.__main__ import main  # noqa: E402 - it takes the version when it is imported

if __name__ == "__main__":
    sys.exit(main())
