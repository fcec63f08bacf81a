"""Where key and address come from, and that a key goes nowhere it was not meant for."""

from __future__ import annotations

import copy
import json
import os
import pickle
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moveshelf.config import (
    CONFIG_FILE,
    DEFAULT_URL,
    KEY_FILE,
    REGIONS,
    SPEC_FILE,
    Secret,
    check_url,
    is_loopback,
    is_trusted,
    resolve,
    user_config_dir,
)
from moveshelf.errors import ConfigError

KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4
ELSEWHERE = "https://collector.example.com/graphql"
STAGING = "https://api.staging.moveshelf.com/graphql"


class Machine:
    """A folder tree with a working folder, a user's folder and an environment."""

    def __init__(self, root: Path) -> None:
        self.top = root / "top"
        self.work = self.top / "lab" / "analysis"
        self.user = root / "home" / "moveshelf"
        self.environ: dict[str, str] = {}
        self.work.mkdir(parents=True)
        self.user.mkdir(parents=True)

    def key(self, folder: Path, key: str = KEY, name: str = KEY_FILE) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"application": "None", "secretKey": key}))
        return path

    def config(self, folder: Path, name: str = CONFIG_FILE, **content: object) -> Path:
        path = folder / name
        path.write_text(json.dumps(content))
        return path

    def resolve(self, *args, **options):
        return resolve(*args, environ=self.environ, cwd=self.work, user_dir=self.user, **options)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


# -- what wins


def test_nothing_at_all_names_the_searched_places_and_what_to_do(machine):
    with pytest.raises(ConfigError) as caught:
        machine.resolve()
    text = str(caught.value)
    for word in (
        "MOVESHELF_API_KEY",
        "MOVESHELF_API_KEY_FILE",
        KEY_FILE,
        CONFIG_FILE,
        str(machine.work),
        "profile",
    ):
        assert word in text
    assert isinstance(caught.value, ValueError)


def test_argument_before_environment_before_files(machine):
    machine.key(machine.work, "file" * 4)
    assert machine.resolve().secret.reveal() == "file" * 4
    named = machine.key(machine.top / "keys", "named" * 4, "k.json")
    machine.environ["MOVESHELF_API_KEY_FILE"] = str(named)
    assert machine.resolve().secret.reveal() == "named" * 4
    machine.environ["MOVESHELF_API_KEY"] = "environ" * 4
    assert machine.resolve().secret.reveal() == "environ" * 4
    assert machine.resolve(named).secret.reveal() == "named" * 4
    assert machine.resolve(api_key=KEY).secret.reveal() == KEY
    with pytest.raises(ConfigError, match="not both"):
        machine.resolve(named, api_key=KEY)


def test_the_nearest_folder_wins_and_the_users_comes_last(machine):
    machine.key(machine.user, "user" * 4)
    assert machine.resolve().secret.reveal() == "user" * 4
    machine.key(machine.top, "top" * 4)
    assert machine.resolve().secret.reveal() == "top" * 4
    machine.key(machine.work, "work" * 4)
    config = machine.resolve()
    assert config.secret.reveal() == "work" * 4
    assert config.key_source == str(machine.work / KEY_FILE)
    assert (config.api_url, config.url_source) == (DEFAULT_URL, "the default")


def test_the_address_by_itself(machine):
    machine.environ["MOVESHELF_API_KEY"] = KEY
    assert machine.resolve().api_url == DEFAULT_URL
    machine.config(machine.top, apiUrl=STAGING)
    assert machine.resolve().api_url == STAGING
    machine.environ["MOVESHELF_API_URL"] = REGIONS["us"]
    assert machine.resolve().api_url == REGIONS["us"]
    assert machine.resolve(api_url=STAGING).api_url == STAGING
    assert machine.resolve(region="eu").api_url == REGIONS["eu"]
    assert machine.resolve(region="US").url_source == "region 'US'"


def test_empty_variables_are_none(machine):
    machine.environ.update(MOVESHELF_API_KEY="", MOVESHELF_API_KEY_FILE="", MOVESHELF_API_URL="")
    machine.key(machine.work)
    assert machine.resolve().api_url == DEFAULT_URL


def test_the_real_environment_and_working_folder_are_the_defaults(machine, monkeypatch):
    monkeypatch.chdir(machine.work)
    monkeypatch.delenv("MOVESHELF_API_URL", raising=False)
    monkeypatch.setenv("MOVESHELF_API_KEY", KEY)
    assert resolve().secret == Secret(KEY)


def test_region_and_address_must_not_contradict(machine):
    assert machine.resolve(api_key=KEY, region="us", api_url=REGIONS["us"]).api_url == REGIONS["us"]
    with pytest.raises(ConfigError, match="pass one of them"):
        machine.resolve(api_key=KEY, region="us", api_url=DEFAULT_URL)
    for region in ("uk", "", 1):
        with pytest.raises(ConfigError, match="'eu' or 'us'"):
            machine.resolve(api_key=KEY, region=region)


# -- the config file


def test_a_config_names_key_and_address(machine):
    machine.key(machine.top / "secrets", name="mine.json")
    path = machine.config(
        machine.top, apiKeyFileName="secrets/mine.json", apiUrl=ELSEWHERE, application="None"
    )
    config = machine.resolve()
    assert (config.secret.reveal(), config.api_url) == (KEY, ELSEWHERE)
    assert config.url_source == str(path)
    assert str(path) in config.key_source


def test_an_older_spec_with_personal_overrides(machine):
    machine.key(machine.work, "shared" * 4)
    machine.key(machine.work, "personal" * 4, "me.json")
    machine.config(machine.work, SPEC_FILE, apiKeyFileName=KEY_FILE, apiUrl=STAGING)
    assert machine.resolve().secret.reveal() == "shared" * 4
    machine.config(machine.work, apiKeyFileName="me.json", apiUrl=None)
    config = machine.resolve()
    assert (config.secret.reveal(), config.api_url) == ("personal" * 4, STAGING)
    machine.config(machine.work, apiUrl=REGIONS["us"], apiKeyFileName="")
    config = machine.resolve()
    assert (config.secret.reveal(), config.api_url) == ("shared" * 4, REGIONS["us"])


def test_a_config_without_a_key_file_uses_the_one_beside_it(machine):
    machine.config(machine.work, apiUrl=ELSEWHERE)
    machine.key(machine.work)
    assert machine.resolve().api_url == ELSEWHERE


def test_a_key_file_that_was_passed_brings_the_config_beside_it(machine):
    path = machine.key(machine.top / "box")
    machine.config(machine.top / "box", apiUrl="http://127.0.0.1:8080/graphql", apiKeyFileName=KEY_FILE)
    machine.config(machine.work, apiUrl=STAGING)
    assert machine.resolve(path).api_url == "http://127.0.0.1:8080/graphql"
    assert machine.resolve(os.path.relpath(path, machine.work)).api_url == "http://127.0.0.1:8080/graphql"


def test_a_tilde_is_the_home_folder(machine, monkeypatch):
    monkeypatch.setenv("HOME", str(machine.top))
    monkeypatch.setenv("USERPROFILE", str(machine.top))
    machine.key(machine.top, name="k.json")
    assert machine.resolve("~/k.json").secret.reveal() == KEY


# -- a key goes nowhere it was not meant for


def test_key_and_address_from_different_places(machine):
    machine.config(machine.work, apiUrl=ELSEWHERE)
    key = machine.key(machine.top)
    foreign = machine.key(machine.top.parent / "usb", OTHER)
    for options in ({}, {"api_key": KEY}, {"api_key_file": foreign}):
        with pytest.raises(ConfigError, match="different places") as caught:
            machine.resolve(**options)
        assert ELSEWHERE in str(caught.value)
        assert KEY not in str(caught.value)
    machine.environ["MOVESHELF_API_KEY"] = KEY
    with pytest.raises(ConfigError, match="different places"):
        machine.resolve()
    with pytest.raises(ConfigError, match="different places"):
        machine.resolve(api_url=ELSEWHERE)
    machine.environ["MOVESHELF_API_URL"] = ELSEWHERE
    assert machine.resolve().api_url == ELSEWHERE
    with pytest.raises(ConfigError, match="different places"):
        machine.resolve(key)
    assert machine.resolve(key, ELSEWHERE).api_url == ELSEWHERE
    assert machine.resolve(api_url=ELSEWHERE, api_key=KEY).api_url == ELSEWHERE


@pytest.mark.parametrize(
    "url", [STAGING, "http://localhost:9/graphql", "http://127.0.0.1/graphql", "http://[::1]:1/g"]
)
def test_moveshelf_and_this_machine_may_have_any_key(machine, url):
    machine.key(machine.user)
    machine.config(machine.work, apiUrl=url)
    assert machine.resolve().api_url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://moveshelf.com.evil.example/graphql",
        "https://evilmoveshelf.com/graphql",
        "https://evil.example/moveshelf.com",
        "https://evil.example/?x=.moveshelf.com",
        "https://api.moveshelf.com.:443.evil.example/",
        "https://api.moveshelf.com@evil.example/graphql",
        "https://evil.example\\@api.moveshelf.com/graphql",
        "https://evil.example#@api.moveshelf.com/graphql",
        "https://api.moveshelf.com\t.evil.example/graphql",
        "https://api.moveshelf.com%2eevil.example/graphql",
        "https://api。moveshelf。com/graphql",
        "http://127.0.0.1.evil.example/graphql",
        "https:///api.moveshelf.com/graphql",
        "//api.moveshelf.com/graphql",
        "https://[::1].evil.example/",
    ],
)
def test_addresses_that_only_look_like_it(machine, url):
    machine.key(machine.user)
    machine.config(machine.work, apiUrl=url)
    with pytest.raises(ConfigError):
        machine.resolve()


def test_a_link_to_a_folder_is_the_same_place(machine):
    box = machine.top / "box"
    machine.key(box)
    machine.config(box, apiUrl=ELSEWHERE)
    link = machine.top / "link"
    try:
        link.symlink_to(box, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert machine.resolve(link / KEY_FILE).api_url == ELSEWHERE


# -- addresses


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://api.moveshelf.com/graphql", "https://api.moveshelf.com/graphql"),
        (" https://API.Moveshelf.com:443/graphql\n", "https://api.moveshelf.com/graphql"),
        ("https://api.moveshelf.com", "https://api.moveshelf.com/graphql"),
        ("https://api.moveshelf.com/", "https://api.moveshelf.com/graphql"),
        ("HTTPS://x.example:8443/a/b?c=d", "https://x.example:8443/a/b?c=d"),
        ("http://localhost:8000/graphql", "http://localhost:8000/graphql"),
        ("http://127.9.9.9", "http://127.9.9.9/graphql"),
        ("http://[::1]:5/graphql", "http://[::1]:5/graphql"),
    ],
)
def test_an_address_in_one_spelling(given, meant):
    assert check_url(given) == meant
    assert check_url(meant) == meant


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://api.moveshelf.com/graphql", "https"),
        ("http://10.0.0.1/graphql", "clear"),
        ("http://0x7f000001/graphql", "clear"),
        ("ftp://api.moveshelf.com", "https"),
        ("api.moveshelf.com", "https"),
        ("https://", "host"),
        ("https://host:notaport/", "ort"),
        ("https://host:99999/", "ort"),
        ("https://[zz]/", "IPv6|address"),
        ("https://a b/", "letters"),
        ("", "https"),
        (None, "text"),
    ],
)
def test_what_is_no_address(url, word):
    with pytest.raises(ConfigError, match=word) as caught:
        check_url(url, "MOVESHELF_API_URL")
    assert str(caught.value).startswith("MOVESHELF_API_URL: ")


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(ConfigError, match="leave user and password out") as caught:
        check_url("https://me:hunter2@api.moveshelf.com/graphql")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=60) | st.text(alphabet="htps:/.@#?[]%\\moveshlf127 \t", max_size=60))
def test_no_text_makes_the_address_check_stumble(text):
    for url in (text, "https://" + text, "http://" + text):
        try:
            checked = check_url(url)
        except ConfigError:
            continue
        assert checked.startswith("https://") or is_loopback(
            checked[7:].split("/")[0].rsplit(":", 1)[0].strip("[]")
        )
        assert check_url(checked) == checked
        assert is_trusted(checked) in (True, False)


@given(st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True))
def test_what_is_trusted_as_another_parser_reads_it(host):
    from yarl import URL

    try:
        checked = check_url(f"https://{host}/graphql")
    except ConfigError:
        return
    read = URL(checked).host or ""
    assert is_trusted(checked) == (
        read.endswith(".moveshelf.com") or read == "moveshelf.com" or is_loopback(read)
    )


# -- files that are not as they should be


BAD_FILES = {
    "empty": b"",
    "not JSON": b"{'secretKey': 'abc'}",
    "cut off": b'{"secretKey": "01234',
    "a list": b'["0123"]',
    "a number": b"7",
    "a web page": b"<html></html>",
    "binary": b"\x80\x81\x82\xff",
    "no key": b'{"application": "x"}',
    "null key": b'{"secretKey": null}',
    "number key": b'{"secretKey": 123456}',
    "empty key": b'{"secretKey": ""}',
    "key with spaces": b'{"secretKey": "abc def"}',
    "key with a line end": b'{"secretKey": "abc\\ndef"}',
    "key of other letters": '{"secretKey": "schlüssel"}'.encode(),
    "deep": b"[" * 100_000,
    "huge": b" " * (2 << 20),
    "huge number": b'{"x": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("how", ["argument", "environment", "found", "named"])
def test_a_bad_key_file_is_named(machine, name, how):
    path = machine.work / (KEY_FILE if how == "found" else "key.json")
    path.write_bytes(BAD_FILES[name])
    if how == "environment":
        machine.environ["MOVESHELF_API_KEY_FILE"] = str(path)
    if how == "named":
        machine.config(machine.work, apiKeyFileName="key.json")
    with pytest.raises(ConfigError) as caught:
        machine.resolve(path if how == "argument" else None)
    assert str(path) in str(caught.value)
    assert caught.value.__cause__ is None
    assert "01234" not in str(caught.value)  # what is in it may be a key


@pytest.mark.parametrize("name", ["empty", "not JSON", "a list", "binary", "cut off"])
@pytest.mark.parametrize("file", [CONFIG_FILE, SPEC_FILE])
def test_a_bad_config_file_is_named(machine, name, file):
    machine.key(machine.work)
    (machine.work / file).write_bytes(BAD_FILES[name])
    with pytest.raises(ConfigError, match=file):
        machine.resolve()


def test_where_the_json_is_wrong(machine):
    (machine.work / CONFIG_FILE).write_text('{\n  "apiUrl": "https://x.example",\n}')
    with pytest.raises(ConfigError, match=r"in line \d, column \d"):
        machine.resolve()


@pytest.mark.parametrize("settings", [{"apiUrl": 7}, {"apiKeyFileName": ["x"]}, {"apiKeyFileName": False}])
def test_a_setting_of_the_wrong_type(machine, settings):
    machine.config(machine.work, **settings)
    machine.key(machine.top)
    with pytest.raises(ConfigError, match=f"{next(iter(settings))} must be text"):
        machine.resolve()


def test_a_bad_address_in_a_config_is_the_configs(machine):
    machine.key(machine.work)
    path = machine.config(machine.work, apiUrl="api.moveshelf.com")
    with pytest.raises(ConfigError, match="https://") as caught:
        machine.resolve()
    assert str(path) in str(caught.value)


def test_a_missing_key_file(machine):
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere"):
        machine.resolve("nowhere.json")
    machine.config(machine.work, apiKeyFileName="gone.json")
    with pytest.raises(ConfigError, match=rf"gone\.json \(named by .*{CONFIG_FILE}\)"):
        machine.resolve()
    machine.environ["MOVESHELF_API_KEY_FILE"] = str(machine.top)
    with pytest.raises(ConfigError, match="cannot be read"):
        machine.resolve()
    with pytest.raises(ConfigError):
        machine.resolve("a\0b")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_as_windows_editors_write_it(machine, encoding):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (machine.work / KEY_FILE).write_bytes(mark + json.dumps({"secretKey": KEY}).encode(encoding))
    assert machine.resolve().secret.reveal() == KEY


def test_a_file_that_is_not_needed_is_not_read(machine):
    (machine.work / KEY_FILE).write_text("not JSON")
    assert machine.resolve(api_key=KEY).secret.reveal() == KEY


@given(content=st.binary(max_size=200) | st.text(max_size=80).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_makes_it_stumble(machine, content):
    for name in (KEY_FILE, CONFIG_FILE, SPEC_FILE):
        for file in (KEY_FILE, CONFIG_FILE, SPEC_FILE):
            (machine.work / file).unlink(missing_ok=True)
        (machine.work / name).write_bytes(content)
        with pytest.raises(ConfigError):
            machine.resolve()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    config=st.fixed_dictionaries(
        {}, optional={"apiKeyFileName": json_values, "apiUrl": json_values, "x": json_values}
    ),
    key=st.fixed_dictionaries({}, optional={"secretKey": json_values, "application": json_values}),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_values_make_it_stumble(machine, config, key):
    (machine.work / CONFIG_FILE).write_text(json.dumps(config))
    (machine.work / KEY_FILE).write_text(json.dumps(key))
    try:
        found = machine.resolve()
    except ConfigError:
        return
    assert found.secret.reveal() == key["secretKey"].strip()


@given(st.text(alphabet=string.ascii_letters + string.digits + "-._~+/=", min_size=1, max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_key_goes_through_every_door(machine, key):
    path = machine.key(machine.work, key)
    assert machine.resolve().secret.reveal() == key
    assert machine.resolve(path).secret.reveal() == key
    assert machine.resolve(api_key=f" {key}\n").secret.reveal() == key


# -- the secret


def test_a_secret_does_not_show():
    secret = Secret(KEY)
    config = resolve(api_key=KEY, environ={})
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        str.format("{}", secret),
        repr(config),
        str(config),
        repr([config]),
    ):
        assert KEY not in text
        assert KEY[:8] not in text
    for obj in (secret, config):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(obj)
    assert copy.deepcopy(config).secret is config.secret
    assert copy.copy(secret) is secret
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("value", ["", "a b", "a\n", "a\x00", "ключ", 7, None, b"abc"])
def test_what_is_no_key(value):
    with pytest.raises(ConfigError):
        Secret(value)


# -- the user's folder


def test_the_users_folder_on_each_platform(tmp_path):
    home = str(tmp_path)
    assert user_config_dir({"HOME": home}, "linux") == tmp_path / ".config" / "moveshelf"
    assert user_config_dir({"HOME": home, "XDG_CONFIG_HOME": "/etc/me"}, "linux") == Path("/etc/me/moveshelf")
    assert (
        user_config_dir({"HOME": home, "XDG_CONFIG_HOME": "me"}, "linux")
        == tmp_path / ".config" / "moveshelf"
    )
    assert (
        user_config_dir({"HOME": home}, "darwin")
        == tmp_path / "Library" / "Application Support" / "moveshelf"
    )
    assert user_config_dir({"APPDATA": home}, "win32") == tmp_path / "moveshelf"
    assert user_config_dir({"USERPROFILE": home}, "win32") == tmp_path / "AppData" / "Roaming" / "moveshelf"
    assert user_config_dir().name == "moveshelf"


def test_the_users_folder_is_searched(tmp_path, monkeypatch):
    folder = user_config_dir(
        {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c"), "APPDATA": str(tmp_path)}
    )
    folder.mkdir(parents=True)
    (folder / KEY_FILE).write_text(json.dumps({"secretKey": KEY}))
    work = tmp_path / "w"
    work.mkdir()
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c"), "APPDATA": str(tmp_path)}
    assert resolve(environ=environ, cwd=work).secret.reveal() == KEY
