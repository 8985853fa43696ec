"""`python -m modelsvc.engine.inspect PATH`: can this file be served, and what is in it?

Prints one JSON object and exits with 0 when `ok`, 1 when not. Run it as a process of its own: the parser of a hostile
file may crash. Neither weights are read nor memory for them taken.
"""

import json
import sys
from dataclasses import asdict
from typing import Any

from modelsvc.engine.contents import Unusable
from modelsvc.engine.model_file import inspect


def report(path: str) -> dict[str, Any]:
    try:
        return {"ok": True, **asdict(inspect(path))}
    except Unusable as error:
        return {"ok": False, "code": error.code, "message": str(error)}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m modelsvc.engine.inspect PATH\n")
        return 2
    found = report(arguments[0])
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
