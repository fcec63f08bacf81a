"""The cycle collector is off while a response is decoded, checked and populated, and on again whatever happens."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from moveshelf.lazy.selection import Selection
from moveshelf.wire import collector_paused, transport

if TYPE_CHECKING:
    from moveshelf import Moveshelf
    from moveshelf.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _on() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_it_is_on_again_also_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), collector_paused:
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_the_last_of_several_threads_turns_it_on() -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with collector_paused:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    with collector_paused:
        pass
    assert not gc.isenabled(), "the other one is not ready yet"
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_it_stays_off_where_the_program_has_turned_it_off() -> None:
    gc.disable()
    with collector_paused:
        assert not gc.isenabled()
    assert not gc.isenabled()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_has_it_on() -> None:
    with collector_paused:
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_decoding_and_populating_are_inside(demo: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[bool]] = {"decode": set(), "populate": set()}

    def decode(body: bytes, real: Any = transport.decode) -> Any:
        seen["decode"].add(gc.isenabled())
        return real(body)

    def populate(*given: Any, real: Any = Selection.populate) -> None:
        seen["populate"].add(gc.isenabled())
        real(*given)

    monkeypatch.setattr(transport, "decode", decode)
    monkeypatch.setattr(Selection, "populate", populate)
    ms: Moveshelf
    with demo.connect() as ms:
        ms.projects["lab/demo"].load("subjects.sessions.clips.files")
        for session in ms.projects["lab/demo"].sessions:
            assert session.metadata is not None
            assert gc.isenabled()
    assert seen == {"decode": {False}, "populate": {False}}
