"""What sends no request: keys, timecodes, dates, filters, periods, merging, checksums, conditions."""

from __future__ import annotations

import base64
import json
import logging
import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import moveshelf.operations.overview
from moveshelf.api import (
    BearerTokenAuth,
    GraphQlException,
    MoveshelfApi,
    TimecodeFramerate,
    __main__,
    hashes,
    kinds,
)
from moveshelf.errors import ConfigError, MoveshelfError, ValidationError
from moveshelf.metadata import merge_as_published as merge
from moveshelf.transfer import checksum
from moveshelf.util import addOrGetTrial, getConditionsFromSession, getPatientMetadata


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"application": "x", "secretKey": "s3cret"}))
    return path


@pytest.fixture
def api(key_file: Path) -> MoveshelfApi:
    return MoveshelfApi(str(key_file), "http://127.0.0.1:9/graphql")


class TestKeyFile:
    def test_is_read_at_once(self, key_file: Path) -> None:
        api = MoveshelfApi(str(key_file))
        key_file.unlink()
        assert api._auth_token._auth == "Bearer s3cret"
        assert api._auth_token.get_auth_header() == {"Authorization": "Bearer s3cret"}
        assert api.api_url == "https://api.moveshelf.com/graphql"

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"nowhere\.json.*profile page") as caught:
            MoveshelfApi(str(tmp_path / "nowhere.json"))
        assert isinstance(caught.value, ConfigError)

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no key file"):
            MoveshelfApi(str(tmp_path))

    @pytest.mark.parametrize(
        "text",
        ['{"secretKey": "s3cret"', "", "s3cret", '{"secretKey": s3cret}'],
        ids=["open", "empty", "bare", "unquoted"],
    )
    def test_no_json(self, key_file: Path, text: str) -> None:
        key_file.write_text(text)
        with pytest.raises(json.JSONDecodeError, match=r"key\.json") as caught:
            MoveshelfApi(str(key_file))
        assert isinstance(caught.value, ConfigError)
        # the text of the file is the secret
        assert "s3cret" not in repr(caught.value) + str(caught.value) + str(vars(caught.value))
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert caught.value.lineno == 1

    @pytest.mark.parametrize(
        "content", [{}, {"secretKey": None}, {"secretKey": " "}, [], "text", {"key": "s3cret"}]
    )
    def test_without_secret_key(self, key_file: Path, content: Any) -> None:
        key_file.write_text(json.dumps(content))
        with pytest.raises(KeyError) as caught:
            MoveshelfApi(str(key_file))
        assert isinstance(caught.value, ConfigError)
        assert "key.json" in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_windows_notepad(self, key_file: Path) -> None:
        key_file.write_text('\ufeff{"secretKey": "s3cret\\n"}', encoding="utf-8")
        assert MoveshelfApi(str(key_file))._auth_token._auth == "Bearer s3cret"


def test_bearer_token_works_with_requests() -> None:
    requests = pytest.importorskip("requests")
    prepared = requests.Request("GET", "http://127.0.0.1/", auth=BearerTokenAuth("s3cret")).prepare()
    assert prepared.headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(BearerTokenAuth("s3cret"))


def test_graphql_exception_is_its_list() -> None:
    errors = [{"message": "no", "path": ["node"]}]
    error = GraphQlException(errors)
    assert error.error_info is errors
    assert str(error) == str(errors)
    assert error.args == (errors,)
    assert isinstance(error, MoveshelfError)
    again = pickle.loads(pickle.dumps(error))
    assert (again.error_info, str(again), again.args) == (errors, str(errors), (errors,))


class TestTimecode:
    def test_is_edited_in_place(self, api: MoveshelfApi) -> None:
        timecode: dict[str, Any] = {"timecode": "01:02:03:04", "framerate": TimecodeFramerate.FPS_29_97}
        assert api._validateAndUpdateTimecode(timecode) is None
        assert timecode == {"timecode": "01:02:03:04", "framerate": "FPS_29_97"}

    @pytest.mark.parametrize(
        "bad",
        [
            {},
            {"timecode": "01:02:03:04"},
            {"framerate": TimecodeFramerate.FPS_25},
            {"timecode": "01:02:03:04", "framerate": "FPS_25"},
            {"timecode": "01:02:03:04", "framerate": 25},
            {"timecode": "1:2:3:4", "framerate": TimecodeFramerate.FPS_25},
            {"timecode": "01:02:03:04567", "framerate": TimecodeFramerate.FPS_25},
            {"timecode": "01:02:03:04 pm", "framerate": TimecodeFramerate.FPS_25},
            {"timecode": "01:60:03:04", "framerate": TimecodeFramerate.FPS_25},
            {"timecode": 1020304, "framerate": TimecodeFramerate.FPS_25},
            "01:02:03:04",
        ],
    )
    def test_refuses(self, api: MoveshelfApi, bad: Any) -> None:
        before = dict(bad) if isinstance(bad, dict) else bad
        with pytest.raises(AssertionError) as caught:
            api._validateAndUpdateTimecode(bad)
        assert isinstance(caught.value, ValidationError)
        assert bad == before

    @pytest.mark.parametrize("text", ["00:00:00:00", "23:59:59;29", "99:00:00:999"])
    def test_accepts(self, text: str) -> None:
        assert kinds.framerate_name({"timecode": text, "framerate": TimecodeFramerate.FPS_24}) == "FPS_24"

    def test_is_checked_without_assertions_too(self) -> None:
        import subprocess
        import sys

        code = "from moveshelf.api.kinds import framerate_name as f\ntry: f({})\nexcept AssertionError: print('refused')"
        done = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "refused\n"


class TestPeriods:
    """The first days of periods, on days where calendars are awkward."""

    @pytest.mark.parametrize(
        ("today", "period", "first"),
        [
            ("2024-03-31", "Last_month", "2024-02-29"),
            ("2023-03-31", "Last_month", "2023-02-28"),
            ("2024-01-31", "Last_month", "2023-12-31"),
            ("2024-05-31", "Last_month", "2024-04-30"),
            ("2024-02-29", "Last_year", "2023-02-28"),
            ("2024-05-01", "Last_year", "2023-05-01"),
            ("2024-01-03", "Last_week", "2023-12-27"),
            ("2024-01-03", "LAST_10_WEEKS", "2023-10-25"),
        ],
    )
    def test_known(self, monkeypatch: pytest.MonkeyPatch, today: str, period: str, first: str) -> None:
        class Frozen(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Frozen:
                return cls.fromisoformat(today)

        monkeypatch.setattr(moveshelf.operations.overview, "datetime", Frozen)
        assert moveshelf.operations.overview.date_of_period(period) == first

    @pytest.mark.parametrize("period", ["", "whenever", "last week", "Last_"])
    def test_unknown(self, period: str) -> None:
        assert moveshelf.operations.overview.date_of_period(period) is False

    @given(st.text(min_size=1, max_size=12))
    def test_any_text(self, text: str) -> None:
        found = moveshelf.operations.overview.date_of_period(text)
        assert found is False or found == text or text.lower().startswith("last_")


class TestOverview:
    TEMPLATE: dict[str, Any] = {  # noqa: RUF012
        "template": {"sex": {}, "both": {}},
        "sessionMetadataTabs": [
            {"name": "a", "template": {"kind": {}}},
            {"template": {"both": {}}},
            {"name": "b"},
        ],
    }

    def test_sorts_into_session_and_subject(self) -> None:
        url = "https://h/project/x/sessions?startDate=2020-01-02&endDate=2021-01-02&sex=M&kind=a&kind=b&kind=c&both=1"
        assert moveshelf.operations.overview.parse(url, self.TEMPLATE) == {
            "start_date": "2020-01-02",
            "end_date": "2021-01-02",
            "session_metadata_filters": [
                {"key": "kind", "operator": "IN", "values": ["a", "b", "c"]},
                {"key": "both", "operator": "EQ", "value": "1"},
            ],
            "patient_metadata_filters": [{"key": "sex", "operator": "EQ", "value": "M"}],
        }

    def test_says_what_it_leaves_out(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, logger="moveshelf-api"):
            found = moveshelf.operations.overview.parse("https://h/?shoe-size=3", self.TEMPLATE)
        assert found["session_metadata_filters"] == found["patient_metadata_filters"] == []
        assert "shoe-size" in caplog.text


_VALUES = st.one_of(
    st.sampled_from(["", "x", "y"]),
    st.builds(lambda v: {"value": v}, st.sampled_from(["", "x", []])),
    st.lists(
        st.builds(
            lambda c, v: {"context": c, "value": v},
            st.sampled_from(["left", "right"]),
            st.sampled_from(["", "1", []]),
        ),
        max_size=3,
    ),
    st.none(),
    st.integers(),
)
_METADATA = st.dictionaries(st.sampled_from("abcd"), _VALUES)


@given(_METADATA, _METADATA)
def test_merging_fills_and_never_overwrites(existing: dict[str, Any], imported: dict[str, Any]) -> None:
    copies = json.dumps([existing, imported])
    merged = merge(existing, imported)
    assert json.dumps([existing, imported]) == copies, "the caller's dictionaries stay as they are"
    assert set(merged) == set(existing) | set(imported)
    for key, value in existing.items():
        filled = value in ("", [], None) if not isinstance(value, dict) else value["value"] in ("", [])
        if not filled and not isinstance(value, list):
            assert merged[key] == value
        if isinstance(value, list):
            for before, after in zip(value, merged[key], strict=True):
                assert after == before or before["value"] in ("", [])
    for key, value in imported.items():
        if key not in existing or existing[key] == "":
            assert merged[key] == value


class TestChecksums:
    # published vectors: RFC 3720 B.4, and the check value of the CRC catalogues
    VECTORS = (
        (b"", "00000000"),
        (b"123456789", "e3069283"),
        (bytes(32), "8a9136aa"),
        (b"\xff" * 32, "62a8ab43"),
        (bytes(range(32)), "46dd794e"),
        (bytes(reversed(range(32))), "113fdb5c"),
    )

    @pytest.mark.parametrize(("data", "expected"), VECTORS)
    def test_published_vectors(self, data: bytes, expected: str, tmp_path: Path) -> None:
        text = base64.b64encode(bytes.fromhex(expected)).decode()
        assert checksum.Crc32c(data).hexdigest() == expected
        assert hashes.crc32c_func(data) == int(expected, 16)
        path = tmp_path / "file"
        path.write_bytes(data)
        assert checksum.crc32c_file(path) == hashes.calculate_file_crc32c(str(path)) == text
        with open(path, "rb") as stream:
            assert checksum.crc32c_stream(stream) == text

    @given(st.binary(max_size=3000), st.integers(0, 3000))
    def test_in_parts_and_by_crcmod(self, data: bytes, cut: int) -> None:
        crc = checksum.Crc32c()
        crc.update(data[:cut])
        crc.update(memoryview(data)[cut:])
        assert crc.value == checksum.Crc32c(bytearray(data)).value
        assert crc.value == checksum._crcmod()(0, data)
        assert crc.value == checksum.crc32c_value(data[cut:], checksum.crc32c_value(data[:cut]))
        assert crc.base64() == base64.b64encode(crc.digest()).decode()

    def test_stands_in_where_google_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setattr(checksum, "_extend", None)
        monkeypatch.setitem(sys.modules, "google_crc32c", None)
        monkeypatch.setitem(sys.modules, "google_crc32c.cext", None)
        assert checksum.Crc32c(b"123456789").hexdigest() == "e3069283"

    def test_crcmod_is_not_imported_for_nothing(self) -> None:
        import subprocess
        import sys

        code = (
            "import sys; from moveshelf.transfer.checksum import Crc32c; "
            "print([n for n in sys.modules if 'crc' in n]); Crc32c(b'x'); print('crcmod' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n")[:2] == ["[]", "False"]

    def test_md5(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"abc" * 100_000)
        import hashlib
        import io

        expected = hashlib.md5(b"abc" * 100_000).hexdigest()
        assert hashes.calculate_file_md5(str(path)) == expected

        class Response:
            def stream(self, amount: int) -> Any:
                with open(path, "rb") as stream:
                    yield from iter(lambda: stream.read(amount), b"")

        assert hashes.calculate_stream_md5(Response()) == expected
        assert hashes.calculate_stream_md5(io.BytesIO(path.read_bytes())) == expected

    def test_on_the_client(self, api: MoveshelfApi, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"123456789")
        assert api._crc32c(b"123456789") == 0xE3069283
        assert api._calculateCrc32c(str(path)) == "4waSgw=="


class TestConditions:
    def session(self, *paths: str, norms: Any = None) -> dict[str, Any]:
        clips = [{"id": str(n), "title": f"Trial-{n}", "projectPath": path} for n, path in enumerate(paths)]
        session: dict[str, Any] = {"projectPath": "/s/1/", "clips": clips, "project": {"name": "lab"}}
        if norms is not None:
            session["norms"] = norms
        return session

    def test_groups(self) -> None:
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/b/", "/s/1/a/", "/s/1/"))
        assert [list(one) for one in found] == [["path", "fullPath", "clips"]] * 2
        assert [(one["path"], one["fullPath"], [c["id"] for c in one["clips"]]) for one in found] == [
            ("a/", "/s/1/a/", ["0", "2"]),
            ("b/", "/s/1/b/", ["1"]),
        ]

    def test_adds_to_a_given_list(self) -> None:
        given_list: list[dict[str, Any]] = [{"path": "a/", "fullPath": "/s/1/a/", "clips": []}]
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/c/"), given_list)
        assert found is given_list
        assert [(one["path"], len(one["clips"])) for one in found] == [("a/", 1), ("c/", 1)]

    @pytest.mark.parametrize("path", [None, "", "/elsewhere/a/", "/s/1", "/s/", "/s/11/a/"])
    def test_survives_other_paths(self, path: Any) -> None:
        session = self.session("/s/1/a/")
        session["clips"].append({"id": "x", "title": "y", "projectPath": path})
        assert [one["path"] for one in getConditionsFromSession(session)] == ["a/"]

    def test_fills_norms(self) -> None:
        norms = [
            {"id": "n1", "projectPath": "/s/1/a/"},
            {"id": "n2", "projectPath": "/s/1/z/"},
            {"id": "n3", "projectPath": None},
        ]
        found = getConditionsFromSession(self.session("/s/1/a/", "/s/1/b/", norms=norms))
        assert [(one["path"], len(one["clips"]), [n["id"] for n in one["norms"]]) for one in found] == [
            ("a/", 1, ["n1"]),
            ("b/", 1, []),
            ("z/", 0, ["n2"]),
        ]

    class Api:
        def __init__(self) -> None:
            self.made: list[Any] = []

        def createClip(self, project: str, metadata: Any) -> str:
            self.made.append((project, dict(metadata)))
            return "new"

    @pytest.mark.parametrize(
        ("titles", "name"),
        [
            ([], "Trial-1"),
            (["Trial-1", "Trial-2"], "Trial-3"),
            (["Trial-9", "x-3"], "Trial-10"),
            (["Trial-2", "Running"], "Trial-3"),
            (["Running", "Walking"], "Trial-3"),
            (["Trial-1", "Trial-x"], "Trial-2"),
            (["Trial 4", "Trial_7"], "Trial-8"),
            (["2024-05-31"], "Trial-6"),
            (["IMG20240531"], "Trial-2"),
            (["Trial-", "-"], "Trial-3"),
            (["Trial - 3", None], "Trial-4"),
        ],
    )
    def test_next_trial(self, titles: list[Any], name: str) -> None:
        api = self.Api()
        clips = [{"id": str(n), "title": title} for n, title in enumerate(titles)]
        assert addOrGetTrial(api, self.session(), {"path": "c/", "clips": clips}) == "new"
        assert api.made == [("lab", {"title": name, "projectPath": "/s/1/c/"})]

    def test_existing_trial(self) -> None:
        api = self.Api()
        clips = [{"id": "1", "title": "a"}, {"id": "2", "title": "b"}]
        assert addOrGetTrial(api, self.session(), {"path": "c/", "clips": clips}, "b") == "2"
        assert api.made == []

    @given(st.lists(st.text(max_size=12), max_size=6))
    def test_never_a_title_that_exists(self, titles: list[str]) -> None:
        api = self.Api()
        clips = [{"id": str(n), "title": title} for n, title in enumerate(titles)]
        addOrGetTrial(api, self.session(), {"path": "c/", "clips": clips})
        assert api.made[0][1]["title"] not in titles


class TestPatientMetadata:
    class Api:
        def __init__(self, text: Any) -> None:
            self.text = text

        def getSubjectDetails(self, subject: str) -> Any:
            return None if self.text is ... else {"metadata": self.text}

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('{"a": true, "b": null}', {"a": True, "b": None}),
            ("{'a': True, 'b': None}", {"a": True, "b": None}),
            (" {'a': ['x', 1.5]}", {"a": ["x", 1.5]}),
        ],
    )
    def test_reads(self, text: str, expected: Any) -> None:
        assert getPatientMetadata(self.Api(text), "id") == expected

    @pytest.mark.parametrize(
        "text", ["__import__('os').getcwd()", "{'a': open('x')}", "", "{'a'", "print(1)"]
    )
    def test_never_runs_code(self, text: str) -> None:
        with pytest.raises(ValidationError, match="neither JSON nor"):
            getPatientMetadata(self.Api(text), "id")

    @pytest.mark.parametrize("text", [None, ...])
    def test_nothing_there(self, text: Any) -> None:
        with pytest.raises(TypeError):
            getPatientMetadata(self.Api(text), "id")


def test_every_method_names_its_replacement() -> None:
    named = dict(__main__.replacements())
    public = {f"api.{name}" for name in dir(MoveshelfApi) if not name.startswith("_")}
    helpers = {"util.addOrGetTrial", "util.getConditionsFromSession", "util.getPatientMetadata"}
    assert set(named) == (public | helpers) - {"api.api_url", "api.client", "api.close", "api.http"}
    assert __main__.table().count("\n") == len(named) + 1


def test_the_token_stays(api: MoveshelfApi) -> None:
    """Never into a pickle or a text; a shallow copy of the client works, as theirs does."""
    import copy

    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(api)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(api._auth_token)
    assert "s3cret" not in repr(api) + repr(api._auth_token)
    assert copy.copy(api)._auth_token is api._auth_token
