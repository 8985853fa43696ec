#!/usr/bin/env python3
"""A Prometheus that is quick to start and can misbehave: what `$FAKE_PROMETHEUS` says, read when it starts.

fail         log an error and end with code 1
silent       listen, and never be ready
ignore_term  stay until killed
grow:BYTES   hold that much memory
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOUR_ENV = "FAKE_PROMETHEUS"
ANSWERS = {
    "/-/ready": "Ready.",
    "/api/v1/alerts": '{"status": "success", "data": {"alerts": []}}',
    "/api/v1/targets": '{"status": "success", "data": {"activeTargets": []}}',
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ready = os.environ.get(BEHAVIOUR_ENV) != "silent"
        body = ANSWERS.get(self.path.partition("?")[0], "").encode() if ready else b""
        self.send_response(200 if body else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def main() -> None:
    options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    behaviour = os.environ.get(BEHAVIOUR_ENV, "")
    if behaviour == "fail":
        sys.exit('level=error msg="Opening storage failed" err="lock DB directory: no room"')
    if behaviour == "ignore_term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ballast = os.urandom(int(behaviour.partition(":")[2] or 0))
    host, _, port = options["web.listen-address"].rpartition(":")
    Path(options["storage.tsdb.path"]).mkdir(exist_ok=True)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
    sys.exit(len(ballast))


def fake_prometheus(folder: Path) -> Path:
    """The program, with a promtool beside it that accepts everything."""
    programs = folder / "bin"
    programs.mkdir()
    for name, text in (
        ("prometheus", f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n'),
        ("promtool", '#!/bin/sh\necho "SUCCESS: $*"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return programs / "prometheus"


if __name__ == "__main__":
    main()
