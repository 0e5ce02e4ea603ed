"""Starts HAProxy for Serve with the platform's rules: Serve runs this program where it would run `haproxy`.

    python -IS haproxy_launcher.py SETTINGS -db -f CONFIGURATION ...

It rewrites the configuration, takes the port over from a HAProxy that runs already, and becomes HAProxy. It depends on
the standard library only, and is started as a file, for it runs at each change of a route.
"""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

API_BACKEND = "http-dataml"
RECORD_FILE = "haproxy.json"
SPARE_RECORD_FILE = "haproxy-spare.json"
SPARE_CONFIG_FILE = "haproxy-spare.cfg"
SPARE_SOCKET = "spare.sock"
_REQUEST_ID = "txn.request_id"
# A request that is sent again to another replica changes nothing twice: one that only reads, or a prediction, which is
# at most kept twice in the log.
_REPEATABLE = (
    "method GET HEAD OPTIONS",
    "path_beg /models/ /v2/models/",
    "path /api/v1/inference /api/v1/inference/",
)
# Between two attempts at a server HAProxy waits for this long, and replicas are on this machine.
_CONNECT_TIMEOUT = "250ms"
# For the headers and the beginning of the body of a request: a slow client holds a connection, and no replica. Serve
# lets a connection wait for its first request for an hour.
_REQUEST_TIMEOUT = "30s"


@dataclass(frozen=True)
class LauncherSettings:
    """What the platform tells the launcher, as JSON in a file.

    `private_ports` are those of HAProxy's statistics and metrics, which name every application. `errors` has for each
    status that HAProxy itself answers the JSON body, in which `%s` stands for the id of the request.
    """

    binary: str
    folder: str
    private_ports: list[int]
    errors: dict[str, str]


@dataclass(frozen=True)
class HAProxyRecord:
    """A HAProxy that was started: its process, and the admin socket that hands its listeners over."""

    pid: int
    socket: str

    def write(self, file: Path) -> None:
        """Write the record, whole or not at all."""
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)))
        part.replace(file)


def read_running(file: Path) -> HAProxyRecord | None:
    """Return the record of a HAProxy that runs; None when there is none, or another process has its id."""
    try:
        record = HAProxyRecord(**json.loads(file.read_text()))
        arguments = Path(f"/proc/{record.pid}/cmdline").read_bytes()
    except (OSError, ValueError, TypeError):
        return None
    # A process that has ended and is not reaped yet has no arguments.
    return record if os.fsencode(file.parent) in arguments else None


def rewrite(config: str, settings: LauncherSettings) -> str:
    """Return Serve's configuration with the platform's rules.

    - Statistics and metrics stay on this machine, and no route is listed.
    - Requests are not logged, for that costs a fourth of HAProxy's time, and replicas get the client's address.
    - What HAProxy answers itself is JSON as the API's. It is 503 while no route is known, for then no path is wrong.
    - A request that may be repeated goes to another replica when one has died before it answered.
    - The API answers in place of a predictor's own deployment that is down. Serve would let the request wait.
    """
    sections = _split(config)
    api_servers = [line for line in sections.get(f"backend {API_BACKEND}", []) if _is_replica(line)]
    rewritten = (
        "\n".join([header, *_rewrite_section(header, lines, api_servers, settings)])
        for header, lines in sections.items()
    )
    return "\n".join(rewritten) + "\n"


def knows_routes(config: str) -> bool:
    """Return whether a configuration has a backend of an application."""
    return any(header.startswith("backend http-") for header in _split(config))


def admin_socket(config: str) -> str:
    """Return the path of the admin socket of a configuration."""
    match = re.search(r"^ *stats socket (\S+)", config, re.M)
    assert match is not None
    return match[1]


def with_admin_socket(config: str, path: str) -> str:
    """Return the configuration with another admin socket."""
    return config.replace(f"stats socket {admin_socket(config)} ", f"stats socket {path} ", 1)


def main(settings_file: str, *arguments: str) -> None:
    """Rewrite the configuration and replace this process by HAProxy."""
    settings = LauncherSettings(**json.loads(Path(settings_file).read_text()))
    folder = Path(settings.folder)
    config_file = Path(arguments[arguments.index("-f") + 1])
    config = rewrite(config_file.read_text(), settings)
    socket = admin_socket(config)
    spare_file = folder / SPARE_CONFIG_FILE
    if not knows_routes(config) and spare_file.exists():
        # A new manager of Serve does not know the routes yet; those that its predecessor knew go on.
        config = with_admin_socket(spare_file.read_text(), socket)
    config_file.write_text(config)
    if knows_routes(config):
        spare_file.write_text(with_admin_socket(config, f"{folder}/{SPARE_SOCKET}"))
    taken_over = _take_over(folder, arguments)
    # The process keeps its id when it becomes HAProxy.
    HAProxyRecord(os.getpid(), socket).write(folder / RECORD_FILE)
    os.execv(settings.binary, [settings.binary, *arguments, *taken_over])


def _take_over(folder: Path, arguments: tuple[str, ...]) -> list[str]:
    """Return the arguments with which HAProxy takes the port over from one that Serve does not know of."""
    running = [read_running(folder / name) for name in (SPARE_RECORD_FILE, RECORD_FILE)]
    unknown = [record for record in running if record is not None and str(record.pid) not in arguments]
    if not unknown:
        return []
    pids = [str(record.pid) for record in unknown]
    # `-sf` takes all that follows it up to the next option.
    return ["-sf", *pids] + ([] if "-x" in arguments else ["-x", unknown[0].socket])


def _split(config: str) -> dict[str, list[str]]:
    """Return the lines of each section by its header; what comes before the first one has none."""
    sections: dict[str, list[str]] = {}
    lines = sections.setdefault("", [])
    for line in config.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            lines = sections.setdefault(line.strip(), [])
        else:
            lines.append(line)
    return sections


def _rewrite_section(header: str, lines: list[str], api_servers: list[str], settings: LauncherSettings) -> list[str]:
    kind, _, name = header.partition(" ")
    if kind == "global":
        return [line for line in lines if line.split()[:1] != ["log"]]
    if kind == "defaults":
        return [text for line in lines for text in _rewrite_default(line, settings)]
    if header == "frontend http_frontend":
        return [text for line in lines for text in _rewrite_frontend(line)]
    if header == "backend default_backend":
        return [_answer("http-request return", "503", settings)]
    if kind == "backend" and name.startswith("http-"):
        own = [line for line in lines if _is_replica(line) or line.split()[:1] != ["server"]]
        return own if name == API_BACKEND else [*own, *map(_as_backup, api_servers)]
    return [_bind_privately(line, settings.private_ports) for line in lines]


def _rewrite_default(line: str, settings: LauncherSettings) -> list[str]:
    words = line.split()
    if words[:2] == ["option", "httplog"]:
        return ["    option forwardfor"]
    if words[:1] == ["errorfile"]:
        return [_answer("http-error", words[1], settings)]
    if words == ["option", "abortonclose"]:
        return [line, _answer("http-error", "408", settings)]
    if words[:2] == ["timeout", "connect"]:
        return [
            f"    timeout connect {_CONNECT_TIMEOUT}",
            f"    timeout http-request {_REQUEST_TIMEOUT}",
            # Up to the size of a buffer; what is longer goes to a replica as it comes.
            "    option http-buffer-request",
        ]
    if words[:1] == ["retry-on"]:
        return ["    retry-on conn-failure empty-response"]
    return [line]


def _rewrite_frontend(line: str) -> list[str]:
    if line.endswith(" if routes"):
        return []
    if line.split()[:1] != ["bind"]:
        return [line]
    return [
        line,
        *(f"    acl is_repeatable {condition}" for condition in _REPEATABLE),
        "    http-request disable-l7-retry unless is_repeatable",
        # As the API's: the caller's, if it is well formed.
        f"    http-request set-var({_REQUEST_ID}) req.hdr(x-request-id) "
        "if { req.hdr(x-request-id) -m reg ^[A-Za-z0-9._-]{1,64}$ }",
        f"    http-request set-var({_REQUEST_ID}) uuid() if !{{ var({_REQUEST_ID}) -m found }}",
    ]


def _answer(directive: str, status: str, settings: LauncherSettings) -> str:
    # Within the quotes nothing but % has a meaning, and the sentences have none.
    body = settings.errors[status].replace("%s", f"%[var({_REQUEST_ID})]")
    headers = " hdr Retry-After 1" if status == "503" else ""
    return f"    {directive} status {status} content-type application/json lf-string '{body}'{headers}"


def _is_replica(line: str) -> bool:
    # Serve's own proxy is the backup of every backend.
    return line.split()[:1] == ["server"] and not line.endswith(" backup")


def _as_backup(server: str) -> str:
    keyword, name, *rest = server.split()
    return " ".join(["   ", keyword, f"api-{name}", *rest, "backup"])


def _bind_privately(line: str, ports: list[int]) -> str:
    match = re.fullmatch(r"( *bind )\*?:(\d+)", line)
    return f"{match[1]}127.0.0.1:{match[2]}" if match is not None and int(match[2]) in ports else line


if __name__ == "__main__":
    main(*sys.argv[1:])
