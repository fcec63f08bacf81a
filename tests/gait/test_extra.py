"""The package reached without its extra, and with it: what is imported when."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
import textwrap

import pytest

import moveshelf.gait
from moveshelf.errors import ConfigError, MoveshelfError
from moveshelf.gait.extra import MissingExtraError


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_numeric_is_imported_before_it_is_used() -> None:
    found = run(
        """
        import sys, moveshelf.gait, moveshelf.gait.channels, moveshelf.gait.content
        dir(moveshelf.gait), repr(moveshelf.gait), hasattr(moveshelf.gait, "nothing")
        print([name for name in ("numpy", "pandas", "xarray", "matplotlib", "ezc3d") if name in sys.modules])
        moveshelf.gait.schwartz2008("free")
        print([name for name in ("xarray", "matplotlib", "ezc3d") if name in sys.modules])
        """
    )
    assert found.split("\n")[:2] == ["[]", "['xarray']"]


@pytest.mark.parametrize("package", ["numpy", "pandas", "xarray"])
@pytest.mark.parametrize(
    "use", ["moveshelf.gait.gps", "moveshelf.gait.reading", "moveshelf.gait.schwartz2008"]
)
def test_without_the_extra_the_error_says_how_to_install_it(package: str, use: str) -> None:
    found = run(
        f"""
        import sys
        sys.modules["{package}"] = None
        import moveshelf.gait
        try:
            {use}
        except ImportError as error:
            print(type(error).__name__, error)
        """
    )
    assert found.startswith("MissingExtraError ")
    assert f"needs the package {package}, which is not installed: pip install 'moveshelf[gait]'" in found


def test_from_import_says_it_too() -> None:
    found = run(
        """
        import sys
        sys.modules["xarray"] = None
        try:
            from moveshelf.gait import reading
        except ImportError as error:
            print(error)
        """
    )
    assert "pip install 'moveshelf[gait]'" in found


def test_the_error_is_one_of_ours_and_pythons() -> None:
    assert issubclass(MissingExtraError, (ConfigError, MoveshelfError))
    assert issubclass(MissingExtraError, ImportError)


def test_a_module_of_ours_that_is_absent_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(moveshelf.gait._HOME, "nowhere", "no_such_module")
    with pytest.raises(ModuleNotFoundError) as caught:
        moveshelf.gait.nowhere
    assert not isinstance(caught.value, MissingExtraError)


def test_names() -> None:
    assert {
        "gps",
        "gvs",
        "gdi",
        "gdi_star",
        "symmetry",
        "dimensionless",
        "schwartz2008",
        "plot",
        "plot_map",
    } <= set(dir(moveshelf.gait))
    assert moveshelf.gait.gps is importlib.import_module("moveshelf.gait.scores").gps
    with pytest.raises(AttributeError, match="no attribute 'gpz'"):
        moveshelf.gait.gpz


@pytest.mark.parametrize("name", ["channels", "content", "norms", "reading", "scores", "units"])
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"moveshelf.gait.{name}")
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_package_is_reached_from_moveshelf_alone() -> None:
    found = run(
        """
        import sys, moveshelf
        from moveshelf import Project, Session, Norm, DataFile
        print("numpy" in sys.modules, "moveshelf.gait" in sys.modules, "gait" in dir(moveshelf))
        print(moveshelf.gait.schwartz2008("free").sizes["channel"])
        """
    )
    assert found.split()[0] == "False"
    assert found.split()[2:] == ["True", "19"]


def test_objects_say_how_to_install_it_before_any_request() -> None:
    found = run(
        """
        import sys
        sys.modules["numpy"] = None
        import moveshelf
        ms = moveshelf.connect(api_key="k" * 30, api_url="http://127.0.0.1:9/graphql")
        session = ms.session("U2Vzc2lvbg12345")
        with ms.no_fetch():
            for use in (session.cycles, session.series, session.parameters, session.events):
                try:
                    use()
                except ImportError as error:
                    print(error)
        """
    )
    assert found.count("pip install 'moveshelf[gait]'") == 4
