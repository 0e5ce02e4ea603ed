"""A call of the client as a command of curl, with variables in place of secrets."""

import shlex

import httpx

_LOGIN = "/login/access-token"


def curl_command(request: httpx.Request) -> str:
    """Return the command that sends a request."""
    url = shlex.quote(str(request.url))
    if request.url.path.endswith(_LOGIN):
        return f'curl {url} -d username=admin --data-urlencode "password=$PASSWORD"'
    content_type = request.headers.get("Content-Type", "")
    body = _body(request, content_type)
    words = ["curl", *(["-X", request.method] if request.method not in ("GET", "POST") or not body else [])]
    if request.method == "GET":
        words = ["curl"]
    return " ".join([*words, url, '-H "Authorization: Bearer $TOKEN"', *body])


def _body(request: httpx.Request, content_type: str) -> list[str]:
    if content_type.startswith("multipart/"):
        return ["-F files=@FILE"]
    if content_type == "application/json":
        return ["-H 'Content-Type: application/json'", "-d", shlex.quote(request.read().decode())]
    return []
