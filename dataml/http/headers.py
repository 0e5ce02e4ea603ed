"""Headers: id, client address and accepted media type of a request, and what every answer tells a browser."""

import ipaddress
import re
import secrets
from typing import Final

from starlette.types import Scope

PROBLEM_JSON: Final = "application/problem+json"
_JSON: Final = "application/json"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_HEADERS = {
    # Answers are data of one tenant, or tokens: no browser may store, frame, sniff or run them.
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cross-origin-resource-policy": b"same-origin",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
ASSETS_PATH = "/docs/assets"
"""The folder of the files that the pages for people load."""

# Only files of this server. Redoc and Swagger UI write their styles into the page, and Redoc searches in a worker.
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGES = ("/", "/docs", "/redoc")
_SECURITY_HEADERS = tuple(_HEADERS.items())
_SECURITY_HEADERS_OF_PAGES = tuple((_HEADERS | {b"content-security-policy": _PAGE_POLICY}).items())


def request_id_of(scope: Scope) -> str:
    """Return the caller's `X-Request-ID` when it is well formed, else a new id."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(given := value.decode("latin-1")):
            return given
    return secrets.token_hex(8)


def prefers_problem(scope: Scope) -> bool:
    """Return whether `Accept` names `application/problem+json`, and does not prefer plain JSON."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1").lower()
    if PROBLEM_JSON not in accepted:
        return False
    qualities = dict(_parse_accepted(part) for part in accepted.split(","))
    quality = qualities.get(PROBLEM_JSON, 0.0)
    return quality > 0 and quality >= qualities.get(_JSON, 0.0)


def _parse_accepted(part: str) -> tuple[str, float]:
    """Return a media type of `Accept` and its quality, 0 to 1; one that cannot be read is 0."""
    media_type, *parameters = (text.strip() for text in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    return media_type, float(quality) if re.fullmatch(r"[01](\.[0-9]{0,3})?", quality) else 0.0


def security_headers(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return the security headers of an answer that has none of them; only the pages for people may run scripts."""
    return _SECURITY_HEADERS_OF_PAGES if path in _PAGES else _SECURITY_HEADERS


def client_address(scope: Scope, forwarded_hops: int) -> str | None:
    """Return the client's address, or None where there is none.

    It is the address of the connection, or what the outermost of `forwarded_hops` trusted proxies has added to
    `X-Forwarded-For`. The client may have written what stands before that itself.
    """
    client = scope.get("client")
    chain = [client[0]] if client else []
    if forwarded_hops:
        given = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        chain = [part.strip() for part in given.decode("latin-1").split(",") if part.strip()] + chain
    if not chain:
        return None
    address = chain[max(0, len(chain) - 1 - forwarded_hops)]
    try:
        # Without the name of an interface, which could be any text.
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families sees IPv4 clients as ::ffff:192.0.2.1.
    return str(parsed.ipv4_mapped or parsed) if parsed.version == 6 else str(parsed)
