"""The tree of errors."""

from __future__ import annotations

from moveshelf import MoveshelfError


def test_all_errors_have_one_base_class() -> None:
    import moveshelf.errors as errors

    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == errors.__name__:
            assert issubclass(kind, MoveshelfError)
            assert kind.__doc__
