"""Where the address and the credentials come from, and how a profile is kept."""

import json
import stat
from pathlib import Path

import pytest

import dataml
from dataml.client import profiles
from dataml.client.credentials import resolve
from dataml.client.profiles import Profile

URL = "https://ml.example.org"
SESSION = Profile(URL, "ann", access_token="a", refresh_token="r", expires_at=1.0)


def test_profile_is_for_its_owner_only(home: Path) -> None:
    path = profiles.save_profile(SESSION)
    assert path == home / "config" / "dataml" / "profiles.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert profiles.load_profile() == SESSION
    assert [each.name for each in path.parent.iterdir()] == ["profiles.json"]


def test_profiles_are_kept_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles.save_profile(SESSION)
    profiles.save_profile(Profile("http://test", api_key="k"), "test")
    assert resolve().url == URL
    assert (resolve(profile="test").url, resolve(profile="test").api_key) == ("http://test", "k")
    monkeypatch.setenv("DATAML_PROFILE", "test")
    assert resolve().api_key == "k"
    assert profiles.delete_profile("test")
    assert not profiles.delete_profile("test")
    assert list(profiles.list_profiles()) == ["default"]


def test_arguments_come_before_the_environment_and_that_before_the_profile(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles.save_profile(SESSION)
    monkeypatch.setenv("DATAML_API_KEY", "from-environment")
    assert (resolve().url, resolve().api_key) == (URL, "from-environment")
    monkeypatch.setenv("DATAML_URL", "http://environment/")
    assert resolve().url == "http://environment"
    assert resolve("http://argument").url == "http://argument"
    assert resolve(api_key="argument").api_key == "argument"
    named = resolve(profile="default")
    assert (named.url, named.api_key, named.username) == (URL, None, "ann")


def test_secrets_of_a_profile_go_to_its_own_platform_only(home: Path) -> None:
    profiles.save_profile(SESSION)
    with pytest.raises(dataml.NotSignedIn, match=f"is of {URL}, not of https://elsewhere"):
        dataml.connect("https://elsewhere.example.org")


@pytest.mark.parametrize(
    "arguments", [{}, {"username": "ann"}, {"username": "ann", "password": "x", "api_key": "k"}, {"profile": "none"}]
)
def test_what_does_not_say_who_calls_is_refused(home: Path, arguments: dict[str, str]) -> None:
    with pytest.raises(dataml.NotSignedIn):
        dataml.connect(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["{", "[]", '{"default": {}}'])
def test_damaged_profiles_say_what_to_do(home: Path, content: str) -> None:
    path = profiles.save_profile(SESSION)
    path.write_text(content)
    with pytest.raises(dataml.NotSignedIn, match="dataml login"):
        dataml.connect()


def test_profile_of_a_later_version_can_be_read(home: Path) -> None:
    path = profiles.save_profile(SESSION)
    stored = json.loads(path.read_text())
    stored["default"]["something_new"] = 1
    path.write_text(json.dumps(stored))
    assert profiles.load_profile() == SESSION


def test_no_secret_is_shown(home: Path) -> None:
    assert "secret" not in repr(resolve(username="ann", password="secret"))
    assert "secret" not in repr(resolve(api_key="secret"))
    assert "secret" not in repr(Profile(URL, api_key="secret", access_token="secret", refresh_token="secret"))


def test_address_needs_no_scheme(home: Path) -> None:
    assert resolve("localhost:8000/", api_key="k").url == "http://localhost:8000"
