"""What makes an access token good."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from dataml.access.tokens import AUDIENCE, ISSUER, CallbackClaims, TokenKeys
from dataml.errors import StartupError, Unauthorized

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = TokenKeys(SECRET)
KID = jwt.get_unverified_header(KEY.sign(1, 1, 1))["kid"]
# 2100-01-01, fixed: every process that collects these tests must give them the same names.
FAR_FUTURE = 4_102_444_800


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": "8", "jti": "a", "typ": "access", "iat": now}
    return good | {"exp": now + 60} | changed


def encode(claims: dict[str, Any], **head: Any) -> str:
    return jwt.encode(claims, SECRET, "HS256", headers={"kid": KID} | head)


def refused(token: str) -> str:
    """The code of the refusal."""
    with pytest.raises(Unauthorized) as caught:
        KEY.read(token)
    assert caught.value.status == 401
    return caught.value.code


def test_signed_token_holds_user_session_and_expiry() -> None:
    before = int(time.time())
    found = KEY.read(KEY.sign(7, 8, 60))
    assert (found.user_id, found.session_id) == (7, 8)
    assert before + 60 <= found.expires_at <= int(time.time()) + 60


def test_two_tokens_of_a_session_differ() -> None:
    assert KEY.sign(7, 8, 60) != KEY.sign(7, 8, 60)


def test_token_with_the_claims_of_these_tests_is_valid() -> None:
    assert KEY.read(encode(claims())).user_id == 7


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "jti", "typ", "iat", "exp"])
def test_token_without_a_required_claim_is_invalid(missing: str) -> None:
    fewer = {name: value for name, value in claims().items() if name != missing}
    assert refused(encode(fewer)) == "invalid_token"


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
        {"sub": "0"},
        {"sub": "-1"},
        {"sub": str(2**63)},
        {"sid": str(2**63)},
        {"typ": ["access"]},
        {"exp": "soon"},
        {"nbf": FAR_FUTURE},
    ],
    ids=str,
)
def test_token_with_a_wrong_claim_is_invalid(changed: dict[str, Any]) -> None:
    assert refused(encode(claims(**changed))) == "invalid_token"


def test_token_of_before_the_clock_was_set_back_is_valid() -> None:
    assert KEY.read(encode(claims(iat=int(time.time()) + 3600, exp=int(time.time()) + 4500))).user_id == 7


def test_expired_token_is_refused() -> None:
    assert refused(encode(claims(exp=int(time.time()) - 1))) == "token_expired"
    assert refused(KEY.sign(7, 8, 0)) == "token_expired"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "HS512", "RS256", "hs256", ""])
def test_token_with_another_algorithm_is_invalid(algorithm: str) -> None:
    """Whatever the header says; the signature is the right one for HS256."""
    payload = _part(claims())
    head = _part({"alg": algorithm, "typ": "JWT", "kid": KID})
    api = jwt.PyJWS()
    signed = api.encode(base64.urlsafe_b64decode(payload + b"=="), SECRET, "HS256").split(".")[2]
    assert refused(f"{head.decode()}.{payload.decode()}.{signed}") == "invalid_token"
    assert refused(f"{head.decode()}.{payload.decode()}.") == "invalid_token"


# A header of a thousand and more levels.
DEEP = base64.urlsafe_b64encode(b"[" * 1500).decode() + ".e30.x"


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "é.é.é", "\0", "a" * 100_000, "null", "{}", "\udce9", DEEP, "bnVsbA.e30.x", "W10.e30.x"],
)
def test_malformed_token_is_invalid(token: str) -> None:
    assert refused(token) == "invalid_token"


def test_changed_token_is_invalid() -> None:
    head, payload, signature = KEY.sign(7, 8, 60).split(".")
    other = _part(claims(sub="1")).decode()
    assert refused(f"{head}.{other}.{signature}") == "invalid_token"
    assert refused(f"{head}.{payload}.{'A' * len(signature)}") == "invalid_token"


def test_token_signed_with_another_key_is_invalid() -> None:
    assert refused(TokenKeys(b"f" * 32).sign(7, 8, 60)) == "invalid_token"


@pytest.mark.parametrize(
    "head",
    [
        {"kid": None},
        {"kid": ""},
        {"kid": "another"},
        {"kid": "../../../etc/passwd"},
        {"kid": "https://example.com/key"},
        {"kid": "' OR 1=1 --"},
        {"kid": 1},
        {"kid": [KID]},
        {"kid": {"a": 1}},
        {"crit": ["b64"]},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": "x"},
        {"b64": False, "crit": ["b64"]},
    ],
    ids=str,
)
def test_token_with_an_unknown_key_id_or_a_critical_header_is_invalid(head: dict[str, Any]) -> None:
    """The signature is good, if only it were looked at with our key."""
    api = jwt.PyJWS()
    first = _part({"alg": "HS256", "typ": "JWT", "kid": KID} | head)
    payload = _part(claims())
    signature = api._algorithms["HS256"].sign(first + b"." + payload, SECRET)
    signed = f"{first.decode()}.{payload.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert refused(signed) == "invalid_token"


def test_token_without_a_key_id_is_invalid() -> None:
    assert refused(jwt.encode(claims(), SECRET, "HS256")) == "invalid_token"


def test_keys_in_the_token_header_are_ignored() -> None:
    """A token that brings its own key is still read with ours."""
    head = {"jwk": {"kty": "oct", "k": "AA"}, "jku": "https://example.com/keys", "x5u": "https://example.com/x"}
    assert KEY.read(encode(claims(), **head)).user_id == 7
    assert refused(jwt.encode(claims(), b"k" * 32, "HS256", headers={"kid": KID} | head)) == "invalid_token"


def test_refresh_token_has_one_successor_that_depends_on_the_key() -> None:
    (first,) = KEY.successors("a")
    assert KEY.successors("a") == [first]
    assert KEY.successors("b") != [first]
    assert TokenKeys(b"f" * 32).successors("a") != [first]
    assert len(base64.urlsafe_b64decode(first + "=")) == 32


def test_both_keys_verify_after_a_rotation_and_the_newer_signs(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKeys.create(path)
    running = TokenKeys.load(path)
    first = running.sign(7, 8, 60)

    TokenKeys.rotate(path)
    restarted = TokenKeys.load(path)
    second = restarted.sign(7, 8, 60)
    for keys in (running, restarted):
        assert [keys.read(token).user_id for token in (first, second)] == [7, 7]
    assert _kid(running.sign(7, 8, 60)) == _kid(second) != _kid(first)
    assert running.successors("a")[1:] == TokenKeys(path.with_name("token.key.previous").read_bytes()).successors("a")

    TokenKeys.rotate(path)
    third = running.sign(7, 8, 60)
    assert running.read(second).user_id == running.read(third).user_id == 7
    with pytest.raises(Unauthorized):
        running.read(first)
    for name in ("token.key", "token.key.previous"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["token.key", "token.key.previous"]


def test_token_of_a_key_before_the_previous_one_is_invalid(tmp_path: Path) -> None:
    """Also where nothing was signed and no newer token was seen since: it may have leaked."""
    path = tmp_path / "token.key"
    TokenKeys.create(path)
    running = TokenKeys.load(path)
    leaked = path.read_bytes()
    TokenKeys.rotate(path)
    TokenKeys.rotate(path)
    with pytest.raises(Unauthorized):
        running.read(TokenKeys(leaked).sign(1, 1, 60))


def test_process_keeps_its_keys_when_their_files_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKeys.create(path)
    running = TokenKeys.load(path)
    path.write_bytes(b"x")
    assert running.read(running.sign(7, 8, 60)).user_id == 7
    with pytest.raises(StartupError, match="damaged"):
        TokenKeys.rotate(path)
    path.unlink()
    assert running.read(running.sign(7, 8, 60)).user_id == 7
    TokenKeys.create(path)
    assert TokenKeys.load(path).read(running.sign(7, 8, 60)).user_id == 7


def test_damaged_previous_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKeys.create(path)
    path.with_name("token.key.previous").write_bytes(b"short")
    with pytest.raises(StartupError, match=r"token\.key\.previous is damaged"):
        TokenKeys.load(path)


def _kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def test_new_key_is_private_and_never_replaces_an_existing_one(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    TokenKeys.create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert len(content) == 32
    with pytest.raises(FileExistsError):
        TokenKeys.create(path)
    assert path.read_bytes() == content
    assert TokenKeys.load(path).read(TokenKeys.load(path).sign(7, 8, 60)).user_id == 7


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_damaged_key_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token.key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=r"^the token key token\.key is damaged: \d+ bytes instead of 32$"):
        TokenKeys.load(path)


def test_missing_key_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"^the token key token\.key cannot be read: No such file or directory$"):
        TokenKeys.load(tmp_path / "token.key")


def _part(value: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def test_callback_token_names_its_attempt_and_is_not_an_access_token() -> None:
    token = KEY.sign_callback(CallbackClaims(7, 12, 2), int(time.time()) + 60)
    assert KEY.read_callback(token) == CallbackClaims(7, 12, 2)
    assert refused(token) == "invalid_token"


def test_access_token_is_not_a_callback_token() -> None:
    for other in (KEY.sign(7, 8, 60), encode(claims(job="12", attempt="2", typ="callback"))):
        with pytest.raises(Unauthorized) as caught:
            KEY.read_callback(other)
        assert caught.value.code == "invalid_token"


def test_expired_callback_token_is_refused() -> None:
    with pytest.raises(Unauthorized) as caught:
        KEY.read_callback(KEY.sign_callback(CallbackClaims(7, 12, 2), int(time.time()) - 1))
    assert caught.value.code == "token_expired"
