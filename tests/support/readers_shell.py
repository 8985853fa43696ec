"""A real service as the reader of a page has it: `modelsvc` in PATH, and the usual addresses."""

import os
import sys

import tomli_w
from tests.support.service_fixture import Service


def prepared(service: Service, curlrc: str = "") -> Service:
    """With a `modelsvc` in PATH, its configuration written, and a curl that does as `curlrc` says."""
    programs = service.folder / "bin"
    programs.mkdir()
    (programs / "modelsvc").write_text(f'#!/bin/sh\nexec {sys.executable} -m modelsvc "$@"\n')
    (programs / "modelsvc").chmod(0o755)
    (service.folder / ".curlrc").write_text(curlrc)
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    service.environment.update(CURL_HOME=str(service.folder), PATH=path)
    service.config.write_text(tomli_w.dumps(service.tables))
    return service


def of_this_service(text: str, service: Service) -> str:
    """An example with this service's addresses in the place of the usual ones."""
    for usual, url in (("8080", service.url), ("8000", service.worker_url("blue")), ("9180", service.page_url)):
        text = text.replace(f"http://127.0.0.1:{usual}", url)
    return text
