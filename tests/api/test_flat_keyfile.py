"""The key file of the flat client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from moveshelf.api import (
    MoveshelfApi,
)
from moveshelf.errors import ConfigError


class TestKeyFile:
    def test_is_read_at_once(self, key_file: Path) -> None:
        offline_api = MoveshelfApi(str(key_file))
        key_file.unlink()
        assert offline_api._auth_token._auth == "Bearer s3cret"
        assert offline_api._auth_token.get_auth_header() == {"Authorization": "Bearer s3cret"}
        assert offline_api.api_url == "https://api.moveshelf.com/graphql"

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
