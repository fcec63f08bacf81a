"""Small types of the flat client: tokens and timecodes."""

from __future__ import annotations

from typing import Any

import pytest

from moveshelf.api import (
    BearerTokenAuth,
    MoveshelfApi,
    TimecodeFramerate,
    kinds,
)
from moveshelf.errors import ValidationError


def test_bearer_token_works_with_requests() -> None:
    requests = pytest.importorskip("requests")
    prepared = requests.Request("GET", "http://127.0.0.1/", auth=BearerTokenAuth("s3cret")).prepare()
    assert prepared.headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(BearerTokenAuth("s3cret"))


class TestTimecode:
    def test_is_edited_in_place(self, offline_api: MoveshelfApi) -> None:
        timecode: dict[str, Any] = {"timecode": "01:02:03:04", "framerate": TimecodeFramerate.FPS_29_97}
        assert offline_api._validateAndUpdateTimecode(timecode) is None
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
    def test_refuses(self, offline_api: MoveshelfApi, bad: Any) -> None:
        before = dict(bad) if isinstance(bad, dict) else bad
        with pytest.raises(AssertionError) as caught:
            offline_api._validateAndUpdateTimecode(bad)
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
