"""Fills in envoy.yaml: addresses, limits, origins, and a route for each file of the page."""

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from ipaddress import ip_address
from pathlib import Path
from string import Template
from typing import Any

from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from yt_text.address import split_address
from yt_text.errors import Reason

FOLDER = Path(str(resources.files("yt_text.gateway")))
TEMPLATE = FOLDER / "envoy.yaml"
DESCRIPTORS = Path(str(resources.files("yt_text.v1"))) / "descriptors.binpb"
PAGE = FOLDER / "static"
INDEX = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The page's files by their endings. What a machine's own list says of them may differ."""
READS = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
JOB_PAGE = "^/jobs/[^/]+$"
"""The page of one job; the same file for all, which reads the address."""

RATE_LIMITED = "You submit faster than this service takes. Try again in a moment."

NO_TRANSCODER = {
    "envoy.filters.http.grpc_json_transcoder": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
        "disabled": True,
    }
}
OTHER_HOSTS = {
    "name": "other",
    "domains": ["*"],
    "routes": [
        {
            "match": {"prefix": "/"},
            "direct_response": {"status": 421, "body": {"inline_string": "other host"}},
            "typed_per_filter_config": NO_TRANSCODER,
        }
    ],
}

Route = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """What a gateway is told.

    Attributes:
        listen: `host:port`; port 0 picks a free one.
        servers: where the service is: `host:port` or `unix:/path`, all of one kind.
        hosts: names by which it may be asked, without ports. Empty means this machine's own names if it listens on
            loopback, any otherwise: a page that gave its own name our address could read everything.
        cors_origins: origins, such as `https://example.com`, whose pages may call.
        trusted_proxy_hops: proxies in front of the gateway that append to `x-forwarded-for`. One too many lets
            a client choose its address; one too few counts all clients of a proxy as one.
        submits_per_minute: of one client (an IPv4 address or an IPv6 /64 network).
        max_upload_bytes: of one recording.
        max_body_bytes: of any other request.
        max_result_bytes: of a transcript in JSON in one answer.
        max_connections: open at once.
        max_heap_bytes: memory; near it new requests are refused.
        call_timeout_s: longest time for a call that neither streams nor uploads.
        watch_idle_s: a watcher's stream that is silent for so long is cut; the server must say something sooner.
    """

    listen: str = "127.0.0.1:8080"
    servers: tuple[str, ...] = ("127.0.0.1:50051",)
    hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    trusted_proxy_hops: int = 0
    submits_per_minute: int = 10
    max_upload_bytes: int = 4 << 30
    max_body_bytes: int = 1 << 20
    max_result_bytes: int = 64 << 20
    max_connections: int = 10_000
    max_heap_bytes: int = 512 << 20
    call_timeout_s: float = 60.0
    watch_idle_s: float = 90.0


def render(config: GatewayConfig, *, admin_socket: Path, descriptors: Path = DESCRIPTORS, page: Path = PAGE) -> str:
    """Returns Envoy's configuration.

    Args:
        config: what it is told.
        admin_socket: where Envoy answers its supervisor.
        descriptors: where Envoy will find the contract's descriptors.
        page: where Envoy will find the files of the page; they are read here from `PAGE`.
    """
    host, port = split_address(config.listen)
    hosts = list(config.hosts) or _own_names(host)
    values = {
        "hosts": hosts,
        "ipv4_compat": host == "::",
        "listen_host": host,
        "listen_port": port,
        "admin_socket": str(admin_socket),
        "descriptors": str(descriptors),
        "server_type": _cluster_type(config.servers),
        "server_endpoints": [{"endpoint": {"address": _address(server)}} for server in config.servers],
        "cors_origins": [{"exact": origin} for origin in config.cors_origins],
        "rate_limited_message": RATE_LIMITED,
        "rate_limited_details": _rate_limited_details(),
        "call_timeout": f"{config.call_timeout_s + 5}s",  # the server should be the one to say it
        "watch_idle": f"{config.watch_idle_s}s",
    } | {
        name: getattr(config, name)
        for name in (
            "trusted_proxy_hops", "submits_per_minute", "max_upload_bytes", "max_body_bytes", "max_result_bytes",
            "max_connections", "max_heap_bytes",
        )
    }  # fmt: skip
    filled = {name: json.dumps(value) for name, value in values.items()}
    indent = "\n" + " " * 14
    filled["page_routes"] = indent.join(f"- {json.dumps(route)}" for route in _page_routes(page))
    filled["other_hosts"] = "" if hosts == ["*"] else f"- {json.dumps(OTHER_HOSTS)}"
    filled["cors_origins_table"] = "{" + ", ".join(f"[{_lua(origin)}] = true" for origin in config.cors_origins) + "}"
    return Template(TEMPLATE.read_text("utf-8")).substitute(filled)


def _own_names(host: str) -> list[str]:
    if not ip_address(host).is_loopback:
        return ["*"]
    return list(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host]))


def _lua(text: str) -> str:
    """A text as Lua reads it, which may stand in YAML: every byte by its number."""
    return '"' + "".join(f"\\{byte:03}" for byte in text.encode()) + '"'


def _address(server: str) -> Route:
    if server.startswith("unix:"):
        return {"pipe": {"path": server.removeprefix("unix:")}}
    host, port = split_address(server)
    return {"socket_address": {"address": host, "port_value": port}}


def _cluster_type(servers: tuple[str, ...]) -> str:
    try:
        for server in servers:
            if not server.startswith("unix:"):
                ip_address(split_address(server)[0])
    except ValueError:  # a name: asked again and again, so that servers may come and go
        return "STRICT_DNS"
    return "STATIC"


def _page_routes(page: Path) -> list[Route]:
    """For each file, an answer to a browser that has it already, and one to a browser that has not."""
    routes: list[Route] = []
    for file in sorted(path for path in PAGE.rglob("*") if path.is_file()):
        name = file.relative_to(PAGE).as_posix()
        content = file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()[:16]
        headers = [_header("etag", f'W/"{etag}"'), _header("cache-control", "no-cache")]
        matches: list[Route] = [{"path": f"/{name}"}]
        if name == INDEX:
            matches += [{"path": "/"}, {"safe_regex": {"regex": JOB_PAGE}}]
        for match in matches:
            known = {"name": "if-none-match", "string_match": {"contains": f'"{etag}"'}}
            routes.append(_answer(match, [READS, known], {"status": 304}, headers))
            body = {"status": 200, "body": {"filename": str(page / name)}}
            routes.append(_answer(match, [READS], body, [*headers, _header("content-type", KINDS[file.suffix])]))
    return routes


def _answer(match: Route, conditions: list[Route], response: Route, headers: list[Route]) -> Route:
    return {
        "match": match | {"headers": conditions},
        "direct_response": response,
        "response_headers_to_add": headers,
        "response_headers_to_remove": ["location"],  # Envoy's own, on 304
        "typed_per_filter_config": NO_TRANSCODER,
    }


def _header(key: str, value: str) -> Route:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _rate_limited_details() -> str:
    """The status that a gRPC client reads beside Envoy's own: a program can act on its reason."""
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=Reason.RATE_LIMITED.value, domain="yt-text"))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=RATE_LIMITED, details=[info])
    return base64.b64encode(status.SerializeToString()).decode().rstrip("=")
