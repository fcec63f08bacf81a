"""The check of responses: what is not as requested is refused, by one of our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from moveshelf.errors import NotFoundError

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox


def test_ids_of_another_kind_and_unknown_ids(demo: Sandbox) -> None:
    with demo.connect() as ms:
        subject = ms.projects["lab/demo"].subjects[0]
        wrong = demo.connect().session(subject.id)
        with pytest.raises(NotFoundError, match="not the id of a session"):
            _ = wrong.path
        with pytest.raises(NotFoundError, match="no clip with id"):
            _ = ms.clip("TW9jYXBDbGlwAAAAAAAA").title
        with pytest.raises(NotFoundError, match="id of a Subject"):
            ms.session(subject.id)
