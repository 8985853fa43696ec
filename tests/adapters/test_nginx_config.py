"""The edge's configuration as text, for both kinds of nginx."""

import json
import re

import pytest

from modelsvc.worker.keys import OPEN_PATHS
from supervisor.core.state import Color
from supervisor.nginx.access_log import HEALTH_PATHS
from supervisor.nginx.config import (
    EdgeLimits,
    EdgeSettings,
    NginxBuild,
    Version,
    edge_born_errors,
    fingerprint,
    render,
)

OLDER, NEWER = NginxBuild((1, 27, 3)), NginxBuild((1, 27, 4))


def rendered(build: NginxBuild = OLDER, **settings: object) -> str:
    return render(EdgeSettings(build, "127.0.0.1:8080", **settings))  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.parametrize(
    ("version", "swap"),
    [
        ((1, 18, 0), "retire_then_reload"),
        ((1, 27, 3), "retire_then_reload"),
        ((1, 27, 4), "keepalive_min_timeout"),
        ((1, 31, 5), "keepalive_min_timeout"),
        ((2, 0, 0), "keepalive_min_timeout"),
    ],
)
def test_the_version_decides_the_swap(version: Version, swap: str) -> None:
    """`keepalive_min_timeout` exists from 1.27.4 on."""
    assert NginxBuild(version).swap == swap


def test_newer_nginx_keeps_idle_connections_over_a_reload() -> None:
    """No marker is looked for: the directive does it all."""
    text = rendered(NEWER)

    assert "keepalive_min_timeout 2s;" in text
    assert "retir" not in text and "418" not in text


def test_older_nginx_ends_every_answer_of_a_marked_worker() -> None:
    """The retire locations are the same proxies without keep-alive, and may themselves end in an edge-born error."""
    text = rendered(OLDER)

    assert "keepalive_min_timeout" not in text
    assert re.search(r"if \(-f retiring/\$pid\) \{\s*return 418;\s*\}", text)
    assert "error_page 418 = @retire;" in text and "error_page 418 = @retire_unheld;" in text
    assert re.search(r"location @retire \{\s*keepalive_timeout 0;\s*set", text)
    assert "recursive_error_pages on;" in text


@pytest.mark.parametrize("build", [OLDER, NEWER], ids=["older", "newer"])
@pytest.mark.parametrize(
    "directive",
    [
        "daemon off;",
        "pid nginx.pid;",
        "error_log error.log warn;",
        "worker_processes 1;",
        "listen 127.0.0.1:8080;",
        "listen unix:status.sock;",
        "stub_status;",
        "proxy_pass http://$color;",
        "error_page 502 503 = @hold;",
        'server "unix:hold.sock";',
        "server_tokens off;",
        "client_max_body_size 1048576;",
        "client_header_timeout 60s;",
        "client_body_timeout 60s;",
        "large_client_header_buffers 4 8k;",
        "proxy_http_version 1.1;",
        'proxy_set_header Connection "";',
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Request-Id $edge_request_id;",
        "proxy_buffering off;",
        "proxy_next_upstream off;",
        "proxy_connect_timeout 2s;",
        "proxy_read_timeout 600s;",
        "error_page 502 = @unavailable;",
        "error_page 413 /.edge/413;",
        "error_page 494 =431 /.edge/431;",
        "client_body_temp_path temp/client_body;",
        "proxy_temp_path temp/proxy;",
    ],
)
def test_both_kinds_have_what_matters(build: NginxBuild, directive: str) -> None:
    """Private files, limits, unbuffered streams, honest headers."""
    assert directive in rendered(build)


def test_a_path_never_enters_the_configuration() -> None:
    """Everything counts from the edge's folder, so that no folder name needs quoting."""
    paths = re.findall(r"(?:_path|_log|include|pid|unix:) ?(\S+);", rendered())

    assert paths and not [path for path in paths if path.startswith("/")]


def test_limits_are_rendered() -> None:
    """What the settings say reaches nginx."""
    text = rendered(limits=EdgeLimits(2048, 7, 8, 3, 9))

    assert "client_max_body_size 2048;" in text
    assert "client_header_timeout 7s;" in text
    assert "keepalive_timeout 8s;" in text
    assert "proxy_connect_timeout 3s;" in text
    assert "proxy_read_timeout 9s;" in text


def test_only_a_root_master_names_a_user() -> None:
    """Others would be warned that the directive makes no sense."""
    assert "user root wheel;" in rendered(user="root wheel")
    assert "user " not in rendered()


def test_a_module_that_was_left_out_gets_no_directive() -> None:
    """nginx rejects directives of modules it was built without."""
    text = rendered(NginxBuild((1, 31, 3), stub_status=False, temp_folders=("client_body", "proxy")))

    assert "stub_status" not in text and "fastcgi" not in text


def test_the_access_log_is_json_and_can_be_off() -> None:
    """It tells status, upstream and seconds of each request, and no content."""
    assert '"status":$status' in rendered() and "$request_body" not in rendered()
    assert "log_format" not in rendered(access_log=False) and "access_log off;" in rendered(access_log=False)


def test_errors_are_json_that_nginx_can_quote() -> None:
    """A quote, a backslash or a dollar sign would mean something else to nginx."""
    for error in edge_born_errors(EdgeLimits()):
        assert json.loads(error.body)["error"].keys() == {"type", "message", "code"}
        assert not set("'\\$") & set(error.body)


def test_each_colour_has_its_upstream_and_a_missing_one_goes_to_nobody() -> None:
    """A test may run with one worker; nginx needs both names."""
    text = rendered(ports={Color.BLUE: 8001})

    assert re.search(r"upstream blue \{\s*server 127\.0\.0\.1:8001;", text)
    assert re.search(r"upstream green \{\s*server unix:nobody\.sock;", text)


def test_the_fingerprint_tells_two_configurations_apart() -> None:
    """It stands in the text, so that nginx can be asked for it; a text of another hand has none."""
    one, other = rendered(), rendered(limits=EdgeLimits(2048))

    assert fingerprint(one) == fingerprint(rendered()) != fingerprint(other)
    assert f'location = /fingerprint {{\n            return 200 "{fingerprint(one)}";' in one
    assert fingerprint("events {}") == ""


def test_each_waiting_client_takes_two_files() -> None:
    assert "worker_connections 2048;" in rendered(open_files=4096)


def test_whoever_asks_how_the_service_is_is_known_everywhere() -> None:
    """What is told without a key is no client's in the log, and what is none is never held by nginx."""
    found = re.search(r"location ~ (\^\S+) \{", rendered())
    assert found
    assert {path for path in HEALTH_PATHS | {"/chat", "/", "/healthy"} if re.match(found[1], path)} == HEALTH_PATHS
    assert OPEN_PATHS <= HEALTH_PATHS
