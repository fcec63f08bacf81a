"""Where key and URL come from, and that a key goes nowhere it was not meant for."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import string
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import platformdirs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moveshelf.config import (
    CONFIG_FILE,
    DEFAULT_URL,
    KEY_FILE,
    REGIONS,
    SPEC_FILE,
    ConfigWarning,
    KeyFileContentError,
    KeyFileSyntaxError,
    Secret,
    check_url,
    config_folder,
    is_loopback,
    is_trusted,
    looks_like_key,
    read_key_file,
    resolve,
    state_folder,
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


def test_the_url_by_itself(machine):
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


def test_region_and_url_must_not_contradict(machine):
    assert machine.resolve(api_key=KEY, region="us", api_url=REGIONS["us"]).api_url == REGIONS["us"]
    with pytest.raises(ConfigError, match="pass one of them"):
        machine.resolve(api_key=KEY, region="us", api_url=DEFAULT_URL)
    for region in ("uk", "", 1):
        with pytest.raises(ConfigError, match="'eu' or 'us'"):
            machine.resolve(api_key=KEY, region=region)


# -- the config file


def test_a_config_names_key_and_url(machine):
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


def test_key_and_url_from_different_places(machine):
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
def test_urles_that_only_look_like_it(machine, url):
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


# -- URLs


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
def test_an_url_in_one_spelling(given, meant):
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
        ("https://[zz]/", "IPv6|host"),
        ("https://a b/", "letters"),
        ("", "https"),
        (None, "text"),
    ],
)
def test_what_is_no_url(url, word):
    with pytest.raises(ConfigError, match=word) as caught:
        check_url(url, "MOVESHELF_API_URL")
    assert str(caught.value).startswith("MOVESHELF_API_URL: ")


def test_a_password_in_an_url_is_not_repeated():
    with pytest.raises(ConfigError, match="leave user and password out") as caught:
        check_url("https://me:hunter2@api.moveshelf.com/graphql")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=60) | st.text(alphabet="htps:/.@#?[]%\\moveshlf127 \t", max_size=60))
def test_no_text_makes_the_url_check_stumble(text):
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


def test_a_bad_url_in_a_config_is_the_configs(machine):
    machine.key(machine.work)
    path = machine.config(machine.work, apiUrl="api.moveshelf.com")
    with pytest.raises(ConfigError, match="https://") as caught:
        machine.resolve()
    assert str(path) in str(caught.value)


def test_a_missing_key_file(machine):
    with pytest.raises(ConfigError, match=r"there is no key file .*nowhere"):
        machine.resolve("nowhere.json")
    machine.config(machine.work, apiKeyFileName="missing.json")
    with pytest.raises(ConfigError, match=rf"missing\.json \(named by .*{CONFIG_FILE}\)"):
        machine.resolve()
    machine.environ["MOVESHELF_API_KEY_FILE"] = str(machine.top)
    with pytest.raises(ConfigError, match="there is no key file"):
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
    for value in (secret, config):
        with pytest.raises(TypeError, match="never pickled"):
            pickle.dumps(value)
    assert copy.deepcopy(config).secret is config.secret
    assert copy.copy(secret) is secret
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("value", ["", "a b", "a\n", "a\x00", "ключ", 7, None, b"abc"])
def test_what_is_no_key(value):
    with pytest.raises(ConfigError):
        Secret(value)


# -- a key goes to the URL beside the file that it really lies in


@pytest.mark.parametrize("how", ["~", "absolute", "relative", "link", "linked folder", "hard link"])
def test_a_planted_config_gets_no_key_of_another_folder(machine, monkeypatch, how):
    """An archive, or a shared folder, with a config that names the user's own key file and a URL of its own."""
    monkeypatch.setenv("HOME", str(machine.user.parent))
    monkeypatch.setenv("USERPROFILE", str(machine.user.parent))
    own = machine.key(machine.user)
    name = {
        "~": f"~/moveshelf/{KEY_FILE}",
        "absolute": str(own),
        "relative": os.path.relpath(own, machine.work),
        "link": "innocent.json",
        "linked folder": f"innocent/{KEY_FILE}",
        "hard link": "innocent.json",
    }[how]
    try:
        if how == "link":
            (machine.work / name).symlink_to(own)
        elif how == "linked folder":
            (machine.work / "innocent").symlink_to(machine.user, target_is_directory=True)
        elif how == "hard link":
            os.link(own, machine.work / name)
    except OSError:
        pytest.skip("no links here")
    for config in ({"apiKeyFileName": name, "apiUrl": ELSEWHERE}, {"apiUrl": ELSEWHERE}):
        machine.config(machine.work, **config)
        with pytest.raises(ConfigError, match="different places"):
            machine.resolve()
    machine.config(machine.work, apiKeyFileName=name, apiUrl=STAGING)
    assert machine.resolve().api_url == STAGING
    # the key's own folder may say where it goes
    machine.config(machine.work, apiKeyFileName=name)
    if how != "hard link":
        machine.config(machine.user, apiUrl=ELSEWHERE)
        assert machine.resolve().api_url == ELSEWHERE


def test_a_planted_link_in_place_of_a_key_file(machine):
    own = machine.key(machine.user)
    machine.config(machine.work, apiUrl=ELSEWHERE)
    try:
        (machine.work / KEY_FILE).symlink_to(own)
    except OSError:
        pytest.skip("no links here")
    for options in ({}, {"api_key_file": machine.work / KEY_FILE}):
        with pytest.raises(ConfigError, match="different places"):
            machine.resolve(**options)


def test_a_config_that_is_a_link_lies_where_it_leads(machine):
    shared = machine.top / "shared"
    machine.key(shared)
    machine.config(shared, apiUrl=ELSEWHERE, apiKeyFileName=KEY_FILE)
    machine.key(machine.work, OTHER)
    try:
        (machine.work / CONFIG_FILE).symlink_to(shared / CONFIG_FILE)
    except OSError:
        pytest.skip("no links here")
    with pytest.raises(ConfigError, match="different places"):
        machine.resolve()


@pytest.fixture
def strangers(monkeypatch) -> None:
    """As if all files here belonged to another user."""
    if os.name != "posix":
        pytest.skip("no owners here")
    real_stat, real_lstat = os.stat, os.lstat

    def by_a_stranger(look):
        def looked(path, *args, **options):
            found = look(path, *args, **options)
            return os.stat_result((*found[:4], 54321, *found[5:]))

        return looked

    monkeypatch.setattr("moveshelf.config.os.stat", by_a_stranger(real_stat))
    monkeypatch.setattr("moveshelf.config.os.lstat", by_a_stranger(real_lstat))


def test_files_of_another_user_are_ignored(machine, strangers):
    path = machine.key(machine.work)
    warned = pytest.warns(
        ConfigWarning, match=rf"{re.escape(str(path))} is ignored: it belongs to another user"
    )
    with warned, pytest.raises(ConfigError, match="no key found") as caught:
        machine.resolve()
    assert f"{path} was ignored: it belongs to another user" in str(caught.value)
    machine.config(machine.work, apiUrl=REGIONS["us"])
    with pytest.warns(ConfigWarning, match=CONFIG_FILE):
        config = machine.resolve(path)  # named by the caller: read, whoever owns it
    assert (config.secret.reveal(), config.api_url) == (KEY, DEFAULT_URL)
    machine.environ["MOVESHELF_API_KEY_FILE"] = str(path)
    machine.environ["MOVESHELF_API_URL"] = REGIONS["us"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert machine.resolve().secret.reveal() == KEY


@pytest.mark.skipif(os.name != "posix", reason="no modes here")
@pytest.mark.parametrize("name", [KEY_FILE, CONFIG_FILE, SPEC_FILE])
def test_what_everybody_may_write_is_ignored(machine, name):
    machine.key(machine.top)
    settings = {"secretKey": OTHER} if name == KEY_FILE else {"apiUrl": REGIONS["us"]}
    path = machine.config(machine.work, name, **settings)
    for target, mode, why in (
        (path, 0o666, "everybody may write it"),
        (machine.work, 0o777, "it lies in a folder that everybody may write"),
    ):
        before = target.stat().st_mode
        target.chmod(mode)
        with pytest.warns(ConfigWarning, match=f"{name} is ignored: {why}"):
            config = machine.resolve()
        assert (config.secret.reveal(), config.api_url) == (KEY, DEFAULT_URL)
        target.chmod(before)
    machine.work.chmod(0o1777)  # as /tmp
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = machine.resolve()
    assert (config.secret.reveal() == OTHER) == (name == KEY_FILE)
    assert (config.api_url == REGIONS["us"]) == (name != KEY_FILE)


@pytest.mark.skipif(os.name != "posix", reason="no modes here")
def test_a_named_key_that_everybody_may_write_is_ignored(machine):
    box = machine.key(machine.top / "box", OTHER, "k.json")
    box.parent.chmod(0o777)
    machine.config(machine.work, apiKeyFileName=str(box))
    machine.key(machine.user)
    with pytest.warns(ConfigWarning, match=r"k\.json is ignored"):
        assert machine.resolve().secret.reveal() == KEY


# -- errors hold no key


def everything_in(error: BaseException) -> str:
    """All that an error could give away, with the variables of the frames of this library."""
    parts = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "moveshelf" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename:
            parts += [repr(value) for value in frame.f_locals.values()]
    for cause in (error.__cause__, error.__context__):
        if cause is not None:
            parts.append(everything_in(cause))
    return "\n".join(parts)


PASTED = {
    "hexadecimal": KEY,
    "with a line end": KEY + "\n",
    "Bearer": f"Bearer {KEY}",
    "mixed": "aB3" * 14,
    "a token with dots": "eyJhbGciOi1.eyJzdWIiOiIxMjM0NTY3ODkw.dBjftJeZ4CVP",
    "a key file's content": json.dumps({"secretKey": KEY}),
}


@pytest.mark.parametrize("name", PASTED)
def test_a_pasted_key_is_not_shown(machine, name):
    pasted = PASTED[name]
    for options, advice in (
        ({"api_key_file": pasted}, "api_key="),
        ({"api_url": pasted, "api_key": KEY}, "api_url"),
        ({"region": pasted, "api_key": OTHER}, "region"),
    ):
        with pytest.raises(ConfigError, match=re.escape(advice)) as caught:
            machine.resolve(**options)
        assert pasted.strip() not in everything_in(caught.value)
        assert KEY not in everything_in(caught.value)
    with pytest.raises(ConfigError) as caught:
        read_key_file(pasted)
    assert pasted.strip() not in everything_in(caught.value)
    machine.config(machine.work, apiKeyFileName=pasted)
    with pytest.raises(ConfigError, match="looks like a key") as caught:
        machine.resolve()
    assert pasted.strip() not in everything_in(caught.value)
    machine.environ["MOVESHELF_API_KEY_FILE"] = pasted
    with pytest.raises(ConfigError, match="put it into MOVESHELF_API_KEY") as caught:
        machine.resolve()
    assert pasted.strip() not in everything_in(caught.value)


def test_a_file_that_is_named_like_a_key_is_read(machine):
    machine.key(machine.work, OTHER, KEY)
    assert machine.resolve(KEY).secret.reveal() == OTHER


@pytest.mark.parametrize(
    "name",
    [
        "key.json",
        "keys/of/the/Laboratory-2024/mvshlf-api-key.json",
        "~/keys/moveshelf",
        "/srv/Lab1/my-own-key-file-2024",
    ],
)
def test_names_of_files_are_shown(machine, name):
    assert not looks_like_key(name)
    with pytest.raises(ConfigError, match=re.escape(Path(name).name)):
        machine.resolve(name)


BAD_KEYS = [f"{KEY} {OTHER}", f"{KEY}\n{OTHER}", f"{KEY}ü", f"\x00{KEY}"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_no_error_about_a_key_holds_it(machine, key):
    machine.key(machine.top, key)
    attempts = [
        {"api_key": key},
        {"api_key": KEY, "api_url": "nowhere"},
        {"api_key": KEY, "region": "uk"},
        {"api_key": KEY, "api_key_file": "x"},
        {},
    ]
    for options in attempts:
        with pytest.raises(ConfigError) as caught:
            machine.resolve(**options)
        assert KEY not in everything_in(caught.value)
        assert caught.value.__context__ is None
    machine.environ["MOVESHELF_API_KEY"] = key
    with pytest.raises(ConfigError) as caught:
        machine.resolve()
    assert KEY not in everything_in(caught.value)
    with pytest.raises(ConfigError) as caught:
        Secret(key)
    assert KEY not in everything_in(caught.value)
    from moveshelf.wire import Wire

    for token, timeout in ((key, 1), (KEY, 0)):
        with pytest.raises(ConfigError) as caught:
            Wire(DEFAULT_URL, token, timeout=timeout)
        assert KEY not in everything_in(caught.value)


@pytest.mark.parametrize("name", BAD_FILES)
def test_no_error_about_a_file_holds_its_content(machine, name):
    path = machine.work / KEY_FILE
    path.write_bytes(BAD_FILES[name].replace(b"01234", KEY.encode()).replace(b"abc", KEY.encode()))
    for read in (machine.resolve, lambda: read_key_file(path)):
        with pytest.raises(ConfigError) as caught:
            read()
        assert KEY not in everything_in(caught.value)
        assert KEY not in everything_in(pickle.loads(pickle.dumps(caught.value)))


# -- the key alone, for the flat client


def test_a_key_file_by_itself(machine, monkeypatch):
    path = machine.key(machine.work)
    assert read_key_file(path) == read_key_file(str(path)) == KEY
    monkeypatch.chdir(machine.work)
    assert read_key_file(KEY_FILE) == KEY
    monkeypatch.setenv("HOME", str(machine.work))
    monkeypatch.setenv("USERPROFILE", str(machine.work))
    assert read_key_file(f"~/{KEY_FILE}") == KEY


SYNTAX = {"empty", "not JSON", "cut off", "a web page", "binary", "deep", "huge number"}
CONTENT = {"a list", "a number", "no key", "null key", "number key", "empty key"}


@pytest.mark.parametrize("name", BAD_FILES)
def test_errors_of_a_key_file_are_what_scripts_expect(machine, name):
    path = machine.work / KEY_FILE
    path.write_bytes(BAD_FILES[name])
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        read_key_file(path)
    assert isinstance(caught.value, json.JSONDecodeError) == isinstance(caught.value, KeyFileSyntaxError)
    assert isinstance(caught.value, KeyError) == isinstance(caught.value, KeyFileContentError)
    assert isinstance(caught.value, json.JSONDecodeError) == (name in SYNTAX)
    assert isinstance(caught.value, KeyError) == (name in CONTENT)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (type(twin), str(twin)) == (type(caught.value), str(caught.value))


def test_where_a_key_file_is_wrong(machine):
    path = machine.work / KEY_FILE
    path.write_text('{\n "secretKey": s3cret}')
    with pytest.raises(json.JSONDecodeError) as caught:
        read_key_file(path)
    assert (caught.value.lineno, caught.value.colno, caught.value.doc) == (2, 15, "")
    for missing in (machine.work / "nowhere.json", machine.work):
        with pytest.raises(ConfigError, match=r"there is no key file .*profile page"):
            read_key_file(missing)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\ufeff", " \ufeff\n"])
def test_what_editors_leave_around_a_key_is_trimmed(machine, end):
    path = machine.key(machine.work, f"{end}{KEY}{end}")
    machine.environ["MOVESHELF_API_KEY"] = f"{end}{KEY}{end}"
    assert read_key_file(path) == KEY
    assert machine.resolve().secret.reveal() == KEY
    assert machine.resolve(path).secret.reveal() == KEY
    assert machine.resolve(api_key=f"{end}{KEY}{end}").secret.reveal() == KEY
    for around in ("\ufeff", "\n\ufeff", ""):
        path.write_text(f"{around}{json.dumps({'secretKey': KEY})}{end}", encoding="utf-8")
        assert machine.resolve(path).secret.reveal() == KEY


# -- folders of the user's own


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder without anything set."""
    for name in list(os.environ):
        if name.startswith(("XDG_", "MOVESHELF_")) or name in ("APPDATA", "LOCALAPPDATA"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_the_folders_are_the_platforms(home):
    assert config_folder() == platformdirs.user_config_path("moveshelf", appauthor=False, roaming=True)
    assert state_folder() == platformdirs.user_state_path("moveshelf", appauthor=False)
    assert home in config_folder().parents


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the folders of Linux")
def test_the_folders_of_linux(home, monkeypatch):
    assert config_folder() == home / ".config" / "moveshelf"
    assert state_folder() == home / ".local" / "state" / "moveshelf"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "s"))
    assert config_folder() == home / "c" / "moveshelf"
    assert state_folder() == home / "s" / "moveshelf"


def test_the_users_folder_is_searched(home):
    folder = config_folder()
    folder.mkdir(parents=True)
    (folder / KEY_FILE).write_text(json.dumps({"secretKey": KEY}))
    work = home / "w"
    work.mkdir()
    assert resolve(environ={}, cwd=work).secret.reveal() == KEY


def test_keys_and_journals_in_the_folders_of_earlier_releases_are_found(home, monkeypatch):
    """A newer platformdirs, or a variable that only one of the two obeys, may name another folder."""
    former_config, former_state = config_folder(), state_folder()
    monkeypatch.setattr(
        platformdirs, "user_config_dir", lambda *args, **options: str(home / "new" / "config")
    )
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda *args, **options: str(home / "new" / "state"))
    work = home / "w"
    work.mkdir()
    assert state_folder() == home / "new" / "state"
    for folder in (former_config, former_state):
        folder.mkdir(parents=True, exist_ok=True)
    assert state_folder() == former_state
    (former_config / KEY_FILE).write_text(json.dumps({"secretKey": OTHER}))
    assert resolve(environ={}, cwd=work).secret.reveal() == OTHER
    (home / "new" / "config").mkdir(parents=True)
    (home / "new" / "config" / KEY_FILE).write_text(json.dumps({"secretKey": KEY}))
    assert resolve(environ={}, cwd=work).secret.reveal() == KEY
    (home / "new" / "state").mkdir()
    assert state_folder() == home / "new" / "state"


def test_the_state_folder_is_the_users_alone(home, monkeypatch):
    assert not state_folder().exists()
    folder = state_folder(create=True)
    assert folder.is_dir()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
    assert state_folder(create=True) == folder
    monkeypatch.setenv("MOVESHELF_STATE_DIR", str(home / "chosen" / "state"))
    assert state_folder() == home / "chosen" / "state"
    assert not state_folder().exists()
    if os.name == "posix":
        assert state_folder(create=True).stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("MOVESHELF_STATE_DIR", "~/mine")
    assert state_folder() == home / "mine"


def test_importing_costs_no_search_for_folders():
    code = "import sys, moveshelf, moveshelf.config; print('platformdirs' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
