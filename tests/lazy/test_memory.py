"""What the objects of a walk weigh, beside the plain dictionaries of the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moveshelf.sandbox import Sandbox

PROGRAM = """
import gc, json, sys, tracemalloc
import moveshelf
url, key, name, way = sys.argv[1:5]
ms = moveshelf.connect(api_key=key, api_url=url)
ms.lookup(name).subjects[0].sessions[0].clips[0].files[0].name  # what is imported and made once
ms.close()
ms = moveshelf.connect(api_key=key, api_url=url)
len(ms.projects)
identity = ms.projects[name].id
gc.collect()
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
if way == "objects":
    kept = ms.projects[name]
    count = sum(1 for one in kept.subjects for s in one.sessions for c in s.clips for f in c.files)
else:
    text = sys.stdin.read()
    before = tracemalloc.get_traced_memory()[0]
    kept = json.loads(text)
    count = sum(1 for one in kept["data"]["node"]["patientsList"] for s in one["sessions"] for c in s["clips"]
                for f in c["additionalData"])
gc.collect()
print(json.dumps([count, tracemalloc.get_traced_memory()[0] - before]))
"""

QUERY = """query Plain($id: ID!) { node(id: $id) { ... on Project { id patientsList {
  id name externalId updated sessions { id projectPath date clips {
    id title created projectPath uploadStatus hasCharts additionalData {
      id originalFileName dataType uploadStatus } } } } } } }"""


def weigh(sandbox: Sandbox, name: str, way: str, text: str = "") -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, sandbox.api_url, sandbox.api_key, name, way],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    count, weight = json.loads(done.stdout)
    return count, weight


def test_objects_weigh_little_more_than_dictionaries(sandbox: Sandbox) -> None:
    name = sandbox.generate(subjects=200, sessions=3, clips=8, files=4)
    with sandbox.connect() as ms:
        data = ms.execute(QUERY, {"id": ms.projects[name].id})
    plain = weigh(sandbox, name, "dictionaries", json.dumps({"data": data}))
    ours = weigh(sandbox, name, "objects")
    assert ours[0] == plain[0] == 19_200
    assert ours[1] <= 1.1 * plain[1], f"{ours[1] / plain[1]:.2f} times the dictionaries"
