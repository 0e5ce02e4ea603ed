"""What makes an access token good."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from dataml.access.tokens import AUDIENCE, ISSUER, TokenKey
from dataml.errors import StartupError, Unauthorized

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = TokenKey(SECRET)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": "8", "jti": "a", "typ": "access", "iat": now}
    return good | {"exp": now + 60} | changed


def refused(token: str) -> str:
    """The code of the refusal."""
    with pytest.raises(Unauthorized) as caught:
        KEY.read(token)
    assert caught.value.status == 401
    return caught.value.code


def test_a_signed_token_says_who_and_until_when() -> None:
    before = int(time.time())
    found = KEY.read(KEY.sign(7, 8, 60))
    assert (found.user_id, found.session_id) == (7, 8)
    assert before + 60 <= found.expires_at <= int(time.time()) + 60


def test_two_tokens_of_a_session_differ() -> None:
    assert KEY.sign(7, 8, 60) != KEY.sign(7, 8, 60)


def test_the_claims_of_these_tests_are_good() -> None:
    assert KEY.read(jwt.encode(claims(), SECRET, "HS256")).user_id == 7


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "jti", "typ", "iat", "exp"])
def test_a_token_without_one_of_its_claims_is_not_valid(missing: str) -> None:
    fewer = {name: value for name, value in claims().items() if name != missing}
    assert refused(jwt.encode(fewer, SECRET, "HS256")) == "invalid_token"


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"typ": "refresh"},
        {"typ": None},
        {"sub": "admin"},
        {"sub": ""},
        {"sid": "x"},
        {"sid": None},
        {"sid": [8]},
        {"exp": "soon"},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=str,
)
def test_a_token_with_another_claim_is_not_valid(changed: dict[str, Any]) -> None:
    assert refused(jwt.encode(claims(**changed), SECRET, "HS256")) == "invalid_token"


def test_a_token_ends() -> None:
    assert refused(jwt.encode(claims(exp=int(time.time()) - 1), SECRET, "HS256")) == "token_expired"
    assert refused(KEY.sign(7, 8, 0)) == "token_expired"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "HS512", "RS256", "hs256", ""])
def test_the_algorithm_is_the_platforms_own(algorithm: str) -> None:
    """Whatever the header says; the signature is the right one for HS256."""
    payload = _part(claims())
    head = _part({"alg": algorithm, "typ": "JWT"})
    api = jwt.PyJWS()
    signed = api.encode(base64.urlsafe_b64decode(payload + b"=="), SECRET, "HS256").split(".")[2]
    assert refused(f"{head.decode()}.{payload.decode()}.{signed}") == "invalid_token"
    assert refused(f"{head.decode()}.{payload.decode()}.") == "invalid_token"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "\0", "a" * 100_000, "null", "{}", "\udce9"])
def test_what_is_no_token_is_not_valid(token: str) -> None:
    assert refused(token) == "invalid_token"


def test_a_changed_token_is_not_valid() -> None:
    head, payload, signature = KEY.sign(7, 8, 60).split(".")
    other = _part(claims(sub="1")).decode()
    assert refused(f"{head}.{other}.{signature}") == "invalid_token"
    assert refused(f"{head}.{payload}.{'A' * len(signature)}") == "invalid_token"


def test_a_token_of_another_key_is_not_valid() -> None:
    assert refused(TokenKey(b"f" * 32).sign(7, 8, 60)) == "invalid_token"


def test_a_new_key_is_its_owners_only_and_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKey.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert len(content) == 32
    with pytest.raises(FileExistsError):
        TokenKey.create(path)
    assert path.read_bytes() == content
    assert TokenKey.load(path).read(TokenKey.load(path).sign(7, 8, 60)).user_id == 7


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_damaged_key_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token.key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=r"^the token key token\.key is damaged: \d+ bytes instead of 32$"):
        TokenKey.load(path)


def test_a_missing_key_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^the token key token\.key cannot be read: No such file or directory$"):
        TokenKey.load(tmp_path / "token.key")


def _part(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
