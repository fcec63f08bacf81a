"""The tree of errors."""

from __future__ import annotations

import re

import pytest

from moveshelf import MoveshelfError, NotFoundError
from moveshelf.errors import users_frames


def test_all_errors_have_one_base_class() -> None:
    import moveshelf.errors as errors

    for name in dir(errors):
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == errors.__name__:
            assert issubclass(kind, MoveshelfError)
            assert kind.__doc__


CELLS = """
import moveshelf
from moveshelf.sandbox import Sandbox
sandbox = Sandbox(demo=True).start()
project = sandbox.connect().projects["lab/demo"]
---
name = "P-01"
project.subjects[name]
---
def mine(subject):
    return subject.update_metadata({"subject-notes": float("nan")})

mine(project.subjects[0])
---
project.find(name="x")
---
%xmode Verbose
---
project.subjects["P-01"]
"""


def test_a_notebook_shows_the_users_lines() -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(one.strip()) for one in CELLS.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, allow_errors=True, timeout=120).execute()
    shown = []
    for cell in notebook.cells:
        errors = [one for one in cell.outputs if one.output_type == "error"]
        text = "\n".join(line for one in errors for line in one.traceback)
        shown.append(re.sub("\x1b\\[[0-9;]*m", "", text))
    assert shown[0] == shown[4] == ""
    assert re.findall(r"(?m)^(?:File|Cell) .*", shown[1]) == ["Cell In[2], line 2"]
    assert "----> 2 project.subjects[name]" in shown[1]
    assert shown[1].rstrip().endswith("no subject 'P-01' in lab/demo; did you mean 'P-001'?")
    frames = re.findall(r"(?m)^(?:File|Cell) .*", shown[2])
    assert frames == ["Cell In[3], line 4", "Cell In[3], line 2, in mine(subject)"]
    assert "collection.py" in shown[5]  # all frames for those who want them
    assert "AttributeError" in shown[3]


def test_frames_of_the_user_are_kept_and_without_any_all() -> None:
    with pytest.raises(NotFoundError) as raised:
        raise NotFoundError("x")
    kept = users_frames(raised.tb)
    assert kept is not None
    assert kept.tb_frame is raised.tb.tb_frame
    assert users_frames(None) is None
