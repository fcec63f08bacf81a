"""The kinds of trial, each with what has to hold at its end.

A trial is a kind and a number; its random choices come from the campaign's seed, the kind and the number, so that it can
be repeated. Threads and processes take their own time, so a trial that depends on who comes first may need repeating
more than once (`run.py --only kind:number --repeat 20`).

Everything is compared with what the sandbox holds (truth.py), never with what the library has said before.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
from proxy import Fault, Proxy, Request, draw
from truth import Truth
from watch import Watch, settle
from zygote import Child, Zygote

import moveshelf
from moveshelf.errors import MoveshelfError, OutcomeUnknownError
from moveshelf.sandbox import Sandbox
from moveshelf_api.api import MoveshelfApi

LIMITS = {
    "detector": 5.0,
    "walk": 60.0,
    "mutated": 60.0,
    "write": 60.0,
    "bulk": 240.0,
    "tree": 240.0,
    "together": 120.0,
}
"""Seconds after which a trial counts as hanging: many times what the slowest takes on a busy machine."""
SHAPES = ((3, 2, 2, 2), (8, 1, 2, 1), (1, 3, 3, 2))
"""Subjects, sessions, clips and files of the projects that are only read."""


class Wrong(Exception):
    """A value that is not the sandbox's."""


def same(what: str, got: Any, wanted: Any) -> None:
    if got != wanted:
        raise Wrong(f"{what}: {str(got)[:300]!r} in place of {str(wanted)[:300]!r}")


class World:
    """What the trials of one worker share: a sandbox, a proxy before it, and projects to read."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._stack = contextlib.ExitStack()
        self.sandbox = self._stack.enter_context(Sandbox())
        self.proxy = self._stack.enter_context(Proxy(self.sandbox.port, self.sandbox.api_key))
        self.truth = Truth(self.sandbox)
        self.watch = Watch(self.sandbox.api_key)
        self.watch.sockets({self.sandbox.port, *self.proxy.ports})
        self._stack.enter_context(self.watch.logs())
        self._zygote: Zygote | None = None
        self._projects: dict[int, dict[str, Any]] = {}
        self._known: dict[Any, Any] = {}
        self._folders = 0
        os.environ["MOVESHELF_STATE_DIR"] = str(scratch / "state")

    def close(self) -> None:
        if self._zygote is not None:
            self._zygote.close()
        self._stack.close()

    @property
    def zygote(self) -> Zygote:
        if self._zygote is None:
            self._zygote = Zygote(self.scratch)
        return self._zygote

    def folder(self, name: str) -> Path:
        """A path that does not exist yet."""
        self._folders += 1
        return self.scratch / f"{self._folders}-{name}"

    def project(self, shape: int) -> dict[str, Any]:
        """A project that nothing changes, as the sandbox holds it, each file with its `bytes`."""
        found = self._projects.get(shape)
        if found is None:
            name = self.sandbox.generate(*SHAPES[shape])
            found = self._projects[shape] = self.truth.project(self.truth.project_id(name))
            for _, _, _, file in files_of(found):
                file["bytes"] = self.truth.contents(file)
        return found

    def known(self, key: Any, work: Callable[[], Any]) -> Any:
        """What the library says without a proxy, computed once."""
        if key not in self._known:
            self._known[key] = work()
        return self._known[key]

    def connect(self, *, through_proxy: bool = True) -> moveshelf.Moveshelf:
        url = self.proxy.api_url if through_proxy else self.sandbox.api_url
        return moveshelf.connect(api_key=self.sandbox.api_key, api_url=url, timeout=jobs.TIMEOUT)

    def flat(self, *, through_proxy: bool = True) -> MoveshelfApi:
        url = self.proxy.api_url if through_proxy else self.sandbox.api_url
        return MoveshelfApi(api_key_file=self.sandbox.key_file, api_url=url, timeout=jobs.TIMEOUT)  # type: ignore[arg-type]

    def child(self, job: str, **arguments: Any) -> Child:
        folder = self.folder(job)
        given = {
            "key": self.sandbox.api_key,
            "url": self.proxy.api_url,
            "ports": sorted(self.proxy.ports),
            **arguments,
        }
        return self.zygote.start(job, given, folder, LIMITS["together"] / 2)


class Trial:
    """One trial: its random numbers, and what has come of it so far."""

    def __init__(self, world: World, kind: str, number: int, seed: int) -> None:
        self.world, self.kind, self.number = world, kind, number
        self.name = f"{seed}/{kind}/{number}"
        self.rng = random.Random(self.name)
        self.right = 0
        self.errors: list[dict[str, Any]] = []
        self.wrong: list[tuple[str, str]] = []  # the kind of cause, the details
        self.hangs: list[str] = []
        self.leaks: list[str] = []
        self.notes: list[str] = []

    @property
    def struck(self) -> str:
        """The kinds of fault that struck."""
        kinds = sorted({fault.kind for fault in self.world.proxy.struck})
        return "+".join(kinds) if len(kinds) < 4 else "several faults"

    def fail(self, cause: str, details: str = "") -> None:
        self.wrong.append((f"{self.kind} {cause}", details))

    def step(self, label: str, work: Callable[[], Any]) -> Any:
        """Do one thing: right, a clean error of the library's (returned), or wrong."""
        try:
            value = work()
        except Wrong as error:
            what = str(error).partition(":")[0]
            what = "a file's contents" if what.startswith(("file.", "a file ")) else what
            self.fail(f"wrong {what}, after {self.struck}", f"{label}: {error}")
        except MoveshelfError as error:
            self.world.watch.exception(error)
            self.errors.append({"step": label, **jobs.told(error)})
            return error
        except Exception as error:
            self.world.watch.exception(error)
            self.foreign(label, jobs.told(error))
        else:
            self.right += 1
            return value
        return None

    def foreign(self, label: str, error: dict[str, Any]) -> None:
        """An exception that is not of the library's own."""
        self.fail(f"{error['type']} at {error['where']}", f"{label}: {error['trace']}")

    def child_result(self, label: str, child: Child) -> Any:
        """What a process has returned, or None where it raised, hung or was killed; its leaks and errors are counted."""
        found = child.wait()
        if child.hang:
            self.hangs.append(child.hang)
        if found is None:
            return None
        self.leaks += found["leaks"]
        value = found["value"]
        errors = [found["error"]]
        if isinstance(value, list):
            errors += [one["error"] for one in value if isinstance(one, dict)]
        elif isinstance(value, dict):
            errors += value.get("errors", [])
        for error in filter(None, errors):
            if error["ours"]:
                self.errors.append({"step": label, **error})
            else:
                self.foreign(label, error)
        return value

    def result(self) -> dict[str, Any]:
        proxy = self.world.proxy
        leaks = [*self.leaks, *proxy.leaks, *self.world.watch.leaks]
        self.world.watch.leaks.clear()
        outcome = "right"
        for word, there in (
            ("clean error", self.errors),
            ("wrong", self.wrong),
            ("hang", self.hangs),
            ("leak", leaks),
        ):
            if there:
                outcome = word
        if proxy.bugs:
            raise RuntimeError("the proxy failed:\n" + "\n".join(proxy.bugs))
        causes = [cause for cause, _ in self.wrong]
        causes += [f"{self.kind} hang" for _ in self.hangs] + [f"{self.kind} leak: {one}" for one in leaks]
        return {
            "kind": self.kind,
            "number": self.number,
            "outcome": outcome,
            "outcomes": [w for w, t in (("wrong", self.wrong), ("hang", self.hangs), ("leak", leaks)) if t],
            "causes": sorted(set(causes)),
            "details": [text for _, text in self.wrong] + self.hangs + leaks,
            "errors": [f"{one['step']}: {one['type']}: {one['text'][:200]}" for one in self.errors],
            "faults": [str(fault) for fault in proxy.struck],
            "mutations": list(proxy.mutations),
            "notes": self.notes,
            "log": list(proxy.log),
        }


def run_trial(world: World, kind: str, number: int, seed: int) -> dict[str, Any]:
    trial = Trial(world, kind, number, seed)
    world.watch.leaks.clear()
    world.proxy.begin()
    KINDS[kind](trial)
    if number % 10 == 0:
        settle()
    return trial.result()


# -- the shape of a project


def files_of(project: dict[str, Any]) -> Iterator[tuple[Any, Any, Any, Any]]:
    for subject in project["patientsList"]:
        for session in subject["sessions"]:
            for clip in session["clips"]:
                for file in clip["additionalData"]:
                    yield subject, session, clip, file


def session_name(session: dict[str, Any]) -> str:
    return str(session["projectPath"]).strip("/").split("/")[1]


def condition_name(clip: dict[str, Any]) -> str:
    return "/".join(str(clip["projectPath"]).strip("/").split("/")[2:])


def pairs(what: str, got: Any, wanted: list[dict[str, Any]]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Objects with their truths, in order; their number and ids are compared."""
    count = 0
    for one in got:
        if count >= len(wanted):
            raise Wrong(f"{what}: more than the {len(wanted)} there are")
        same(f"{what}.id", one.id, wanted[count]["id"])
        yield one, wanted[count]
        count += 1
    same(f"number of {what}", count, len(wanted))


def check_subject(subject: Any, wanted: dict[str, Any], metadata: dict[str, Any]) -> None:
    same("subject.name", subject.name, wanted["name"])
    same("subject.ehr_id", subject.ehr_id, wanted["externalId"])
    same("subject.metadata", dict(subject.metadata), metadata)


def plain_metadata(world: World, project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every subject's metadata by id."""

    def read() -> dict[str, dict[str, Any]]:
        with world.connect(through_proxy=False) as ms:
            return {one.id: dict(one.metadata) for one in ms.project(project["id"]).subjects}

    return dict(world.known(("metadata", project["id"]), read))


# -- walks: each function reads something of a project and compares everything that it sees

Walk = Callable[[Trial, moveshelf.Moveshelf, dict[str, Any]], None]


def walk_loop(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    found = ms.projects[project["name"]]
    same("project.id", found.id, project["id"])
    _loop(trial, found, project, contents=trial.rng.choice((0, 0.3, 1)))


def _loop(trial: Trial, found: Any, project: dict[str, Any], contents: float) -> None:
    known = plain_metadata(trial.world, project)
    deep = trial.rng.random() < 0.5
    for subject, s in pairs("subject", found.subjects, project["patientsList"]):
        same("subject.name", subject.name, s["name"])
        if deep:
            check_subject(subject, s, known[s["id"]])
        for session, e in pairs("session", subject.sessions, s["sessions"]):
            same("session.name", session.name, session_name(e))
            same("session.date", str(session.date), str(e["date"])[:10])
            for clip, c in pairs("clip", session.clips, e["clips"]):
                same("clip.title", clip.title, c["title"])
                same("clip.condition", clip.condition.name, condition_name(c))
                for file, f in pairs("file", clip.files, c["additionalData"]):
                    same("file.name", file.name, f["originalFileName"])
                    same("file.upload_status", str(file.upload_status), f["uploadStatus"])
                    if trial.rng.random() < contents:
                        check_bytes(trial, file, f)


def check_bytes(trial: Trial, file: Any, wanted: dict[str, Any]) -> None:
    how = trial.rng.choice(("bytes", "json", "open"))
    if how == "json":
        same("file.json()", file.json(), json.loads(wanted["bytes"]))
    elif how == "open":
        with file.open() as stream:
            same("file.open()", stream.read(), wanted["bytes"])
    else:
        same("file.read_bytes()", file.read_bytes(), wanted["bytes"])


def walk_load(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    found = ms.project(project["id"])
    found.subjects.load("metadata", "sessions.clips.files")
    _loop(trial, found, project, contents=0)


def walk_find(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    found = ms.project(project["id"])
    sex = trial.rng.choice(("Male", "Female"))
    wanted = [s for s in project["patientsList"] if json.loads(s["metadata"])["subject-sex"] == sex]
    for subject, s in pairs("found subject", found.find_subjects({"subject-sex": sex}), wanted):
        same("subject.name", subject.name, s["name"])
    sessions = [e for s in project["patientsList"] for e in s["sessions"]]
    start = str(trial.rng.choice(sessions)["date"])[:10]
    ids = {e["id"] for e in sessions if str(e["date"])[:10] >= start}
    same("find_sessions()", {one.id for one in found.find_sessions(start=start)}, ids)
    subject = trial.rng.choice(project["patientsList"])
    same("subject_by_ehr_id()", found.subject_by_ehr_id(subject["externalId"]).id, subject["id"])


def walk_names(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    for _ in range(trial.rng.randint(1, 4)):
        s, e, c, f = trial.rng.choice(list(files_of(project)))
        names = (
            project["name"],
            s["name"],
            session_name(e),
            condition_name(c),
            c["title"],
            f["originalFileName"],
        )
        file = ms.lookup(*names)
        same("lookup().id", file.id, f["id"])
        check_bytes(trial, file, f)
        check_subject(ms.subject(s["id"]), s, plain_metadata(trial.world, project)[s["id"]])
        same("find().id", ms.find(c["id"]).id, c["id"])


def walk_bytes(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    for clip in ms.project(project["id"]).clips:
        wanted = {f["id"]: f for _, _, c, f in files_of(project) if c["id"] == clip.id}
        same("clip's files", {file.id for file in clip.files}, set(wanted))
        for file in clip.files:
            check_bytes(trial, file, wanted[file.id])


def walk_execute(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    for s in trial.rng.sample(project["patientsList"], min(3, len(project["patientsList"]))):
        query = "query One($id: ID!) { subject: node(id: $id) { ... on Patient { id name } } }"
        got = ms.execute(query, {"id": s["id"]})
        same("execute()", got, {"subject": {"id": s["id"], "name": s["name"]}})


def walk_threads(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    """Four threads read the same objects."""
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for subject, s in pairs("subject", found.subjects, project["patientsList"]):
                check_subject(subject, s, known[s["id"]])
                for session, e in pairs("session", subject.sessions, s["sessions"]):
                    same("session.name", session.name, session_name(e))
                    for clip, c in pairs("clip", session.clips, e["clips"]):
                        for file, f in pairs("file", clip.files, c["additionalData"]):
                            same("file.read_bytes()", file.read_bytes(), f["bytes"])
        except BaseException as error:
            failures.append(error)

    found = ms.project(project["id"])
    known = plain_metadata(trial.world, project)
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in sorted(failures, key=lambda one: isinstance(one, MoveshelfError)):
        raise error


def walk_download(trial: Trial, ms: moveshelf.Moveshelf, project: dict[str, Any]) -> None:
    folder = trial.world.folder("download")
    subject = trial.rng.choice(project["patientsList"])
    wanted = trial.world.known(("download", subject["id"]), lambda: downloaded(trial.world, subject))
    try:
        result = ms.subject(subject["id"]).download(folder, progress=False)
        check_folder(folder, wanted, [entry.path for entry in result.done])
        for entry in result.failed:
            raise entry.error or Wrong("a failed file without an error")
        same("number of files", len(result.done), len(wanted))
    finally:
        if folder.exists():
            check_folder(folder, wanted)
            shutil.rmtree(folder)


def downloaded(world: World, subject: dict[str, Any]) -> dict[str, bytes]:
    """What a download without a proxy writes, which holds each file's bytes once."""
    folder = world.folder("reference")
    with world.connect(through_proxy=False) as ms:
        ms.subject(subject["id"]).download(folder, progress=False).raise_for_errors()  # type: ignore[union-attr]
    found = contents_of(folder)
    files = [
        f["bytes"] for s in [subject] for e in s["sessions"] for c in e["clips"] for f in c["additionalData"]
    ]
    same("downloaded bytes", sorted(found.values()), sorted(files))
    return found


def contents_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder, aside from what a download keeps for itself (hidden, or a part)."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and ".part" not in path.name
    }


def check_folder(folder: Path, wanted: dict[str, bytes], done: list[str] | None = None) -> None:
    """No file under a final name has other bytes than its own; those reported done are there."""
    for path, data in contents_of(folder).items():
        same("a file on the disk", (path, data), (path, wanted.get(path)))
    for path in done or ():
        same("a file reported done", (path, (folder / path).is_file()), (path, True))


WALKS: tuple[Walk, ...] = (
    walk_loop,
    walk_loop,
    walk_load,
    walk_find,
    walk_names,
    walk_bytes,
    walk_execute,
    walk_threads,
    walk_download,
)


def a_plan(trial: Trial, aims: tuple[str, ...], furthest: int) -> tuple[list[Fault], float]:
    """Some faults at certain requests, or a share of all requests."""
    rng = trial.rng
    if rng.random() < 0.4:
        return [], rng.choice((0.03, 0.1, 0.3))
    return [draw(rng, rng.choice(aims), rng.randint(1, furthest)) for _ in range(rng.randint(1, 4))], 0.0


def walk(trial: Trial) -> None:
    world, rng = trial.world, trial.rng
    project = world.project(rng.randrange(len(SHAPES)))
    plain_metadata(world, project)
    plan, rate = a_plan(trial, ("query", "query", "get"), 8)
    if rng.random() < 0.2:
        return flat_walk(trial, project, plan, rate)
    chosen = rng.sample(WALKS, rng.randint(1, 3))
    with world.connect() as ms:
        world.proxy.begin(plan, rate=rate, seed=trial.name)
        for one in chosen:
            trial.step(one.__name__.replace("walk_", ""), lambda one=one: one(trial, ms, project))
        world.proxy.calm()
        # nothing of what went wrong may stay in the client
        after = trial.step(
            "afterwards", lambda: _loop(trial, ms.project(project["id"]), project, contents=0.5)
        )
        if isinstance(after, MoveshelfError):
            error = trial.errors[-1]
            trial.fail(
                f"{error['type']} although the service is well again, after {trial.struck}", error["trace"]
            )
        world.watch.objects(ms, ms.project(project["id"]), ms.project(project["id"]).subjects, ms.stats)


# -- the flat client's reads

FlatRead = Callable[[MoveshelfApi, dict[str, Any]], Any]


def _some(project: dict[str, Any]) -> dict[str, Any]:
    """Ids of a project's last subject, its session, clip and first file."""
    subject = project["patientsList"][-1]
    session = subject["sessions"][-1]
    clip = session["clips"][-1]
    return {"subject": subject, "session": session, "clip": clip, "file": clip["additionalData"][0]}


FLAT_READS: dict[str, FlatRead] = {
    "getProjectSubjects": lambda api, p: api.getProjectSubjects(p["id"]),
    "getSubjectDetails": lambda api, p: [api.getSubjectDetails(s["id"]) for s in p["patientsList"][:3]],
    "getSubjectContext": lambda api, p: api.getSubjectContext(_some(p)["subject"]["id"]),
    "getSessionById": lambda api, p: [
        api.getSessionById(e["id"]) for s in p["patientsList"][:2] for e in s["sessions"]
    ],
    "getClipData": lambda api, p: api.getClipData(_some(p)["clip"]["id"]),
    "getAdditionalData": lambda api, p: unsigned(api.getAdditionalData(_some(p)["clip"]["id"])),
    "getProjectClips": lambda api, p: api.getProjectClips(p["id"], 5),
    "getProjectInfo": lambda api, p: api.getProjectInfo(p["id"]),
    "getProjectTemplate": lambda api, p: api.getProjectTemplate(p["id"]),
    "getProjectDatasets": lambda api, p: api.getProjectDatasets(p["id"]),
    "getUserProjects": lambda api, p: [one for one in api.getUserProjects() if one["name"] == p["name"]],
    "getSubjectData": lambda api, p: api.getSubjectData(_some(p)["subject"]["id"]),
    "getProjectSubjectByEhrId": lambda api, p: api.getProjectSubjectByEhrId(
        _some(p)["subject"]["externalId"], p["id"]
    ),
    "getProjectSessions": lambda api, p: api.getProjectSessions(p["id"], start_date="2015-01-01"),
    "getFilteredProjectSessions": lambda api, p: api.getFilteredProjectSessions(
        p["id"], start_date="2015-01-01"
    ),
    "getFilteredProjectSubjects": lambda api, p: api.getFilteredProjectSubjects(p["id"]),
    "client": lambda api, p: [one.name for one in api.client.project(p["id"]).subjects],
}


def unsigned(value: Any) -> Any:
    """Without what differs from one signed URL to the next."""
    if isinstance(value, dict):
        return {key: unsigned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [unsigned(one) for one in value]
    return (
        value.partition("?")[0].rpartition(":")[2].partition("/")[2]
        if str(value).startswith("http://")
        else value
    )


def flat_read(world: World, name: str, project: dict[str, Any]) -> Any:
    """What a flat call returns without a proxy."""

    def read() -> Any:
        with contextlib.redirect_stdout(io.StringIO()), world.flat(through_proxy=False) as api:
            return unsigned(FLAT_READS[name](api, project))

    return world.known(("flat", name, project["id"]), read)


def flat_walk(trial: Trial, project: dict[str, Any], plan: list[Fault], rate: float) -> None:
    world = trial.world
    names = trial.rng.sample(sorted(FLAT_READS), 4)
    wanted = {name: flat_read(world, name, project) for name in names}
    with world.flat() as api, contextlib.redirect_stdout(io.StringIO()):
        world.proxy.begin(plan, rate=rate, seed=trial.name)
        for name in names:
            trial.step(
                name, lambda name=name: same(name, unsigned(FLAT_READS[name](api, project)), wanted[name])
            )
        world.proxy.calm()
        for name in names:
            error = trial.step(
                name, lambda name=name: same(name, unsigned(FLAT_READS[name](api, project)), wanted[name])
            )
            if isinstance(error, MoveshelfError):
                trial.fail(
                    f"{type(error).__name__} although the service is well again, after {trial.struck}",
                    f"{name}: {error}",
                )
        world.watch.objects(api.client)


# -- mutated responses: reads

OBJECT_READS: dict[str, Callable[[moveshelf.Moveshelf, dict[str, Any]], Any]] = {
    "projects": lambda ms, p: p["name"] in ms.projects.names(),
    "subjects": lambda ms, p: [(s.id, s.name, s.ehr_id) for s in ms.project(p["id"]).subjects],
    "subject.metadata": lambda ms, p: [dict(s.metadata) for s in ms.project(p["id"]).subjects],
    "subject.interventions": lambda ms, p: [s.interventions for s in ms.project(p["id"]).subjects],
    "session.metadata": lambda ms, p: [dict(e.metadata) for e in ms.project(p["id"]).sessions],
    "sessions": lambda ms, p: [(e.id, e.name, str(e.date)) for e in ms.project(p["id"]).sessions],
    "session.conditions": lambda ms, p: [e.conditions.names() for e in ms.project(p["id"]).sessions],
    "nested loop": lambda ms, p: [
        (s.name, e.name, c.title, f.name)
        for s in ms.project(p["id"]).subjects
        for e in s.sessions
        for c in e.clips
        for f in c.files
    ],
    "load": lambda ms, p: [
        len(s.sessions[0].clips[0].files) for s in ms.project(p["id"]).subjects.load("sessions.clips.files")
    ],
    "clips": lambda ms, p: [
        (c.title, c.description, str(c.created), c.path, str(c.upload_status), c.has_charts, c.custom_options)
        for c in ms.project(p["id"]).clips
    ],
    "clip": lambda ms, p: (
        ms.clip(_some(p)["clip"]["id"]).title,
        # None where the clip's path, which may be any text, leads to no session
        getattr(ms.clip(_some(p)["clip"]["id"]).session, "name", None),
    ),
    "file": lambda ms, p: ms.clip(_some(p)["clip"]["id"]).files[0].read_bytes(),
    "project": lambda ms, p: (
        ms.project(p["id"]).description,
        ms.project(p["id"]).can_edit,
        ms.project(p["id"]).name,
    ),
    "template": lambda ms, p: sorted(getattr(ms.project(p["id"]).template, "subject_fields", ())),
    "configuration": lambda ms, p: repr(ms.project(p["id"]).configuration),
    "norms": lambda ms, p: [one.name for one in ms.project(p["id"]).norms],
    "reports": lambda ms, p: [one.title for one in ms.subject(_some(p)["subject"]["id"]).reports],
    "find": lambda ms, p: ms.find(_some(p)["session"]["id"]).name,
    "find_subjects": lambda ms, p: ms.project(p["id"]).find_subjects({"subject-sex": "Male"}).names(),
    "find_sessions": lambda ms, p: ms.project(p["id"]).find_sessions(start="2015-01-01").ids(),
    "subject_by_ehr_id": lambda ms, p: (
        ms.project(p["id"]).subject_by_ehr_id(_some(p)["subject"]["externalId"]).name
    ),
    "to_frame": lambda ms, p: [
        list(map(str, row)) for row in ms.project(p["id"]).subjects.load("metadata").to_frame().values
    ],
    "html": lambda ms, p: ms.project(p["id"]).subjects.load("metadata")._repr_html_(),
    "to_dict": lambda ms, p: [
        one.load("metadata").to_dict() if hasattr(type(one), "to_dict") else None
        for one in ms.project(p["id"]).subjects
    ],
    "lookup": lambda ms, p: ms.lookup(p["name"], p["patientsList"][0]["name"]).id,
    "dry download": lambda ms, p: [
        (s.path, s.action) for s in ms.subject(_some(p)["subject"]["id"]).download("nowhere", dry_run=True)
    ],
    "execute": lambda ms, p: ms.execute("query A($id: ID!) { node(id: $id) { id } }", {"id": p["id"]}),
}


def mutated(trial: Trial) -> None:
    world, rng = trial.world, trial.rng
    if rng.random() < 0.3:
        return mutated_write(trial)
    project = world.project(rng.randrange(len(SHAPES)))
    flat = rng.random() < 0.3
    name = rng.choice(sorted(FLAT_READS if flat else OBJECT_READS))
    nth = rng.choice((1, 1, 1, 2, 3))
    plan = [Fault("mutate", "query", nth, value=f"{trial.name}/{nth}")]
    if rng.random() < 0.3:
        plan.append(Fault("mutate", "query", nth + 1, value=f"{trial.name}/{nth + 1}"))
    if flat:
        wanted = flat_read(world, name, project)
        with world.flat() as api, contextlib.redirect_stdout(io.StringIO()):
            world.proxy.begin(plan)
            trial.step(
                name, lambda: _compared(trial, name, lambda: unsigned(FLAT_READS[name](api, project)), wanted)
            )
        return None

    def direct() -> Any:
        with world.connect(through_proxy=False) as ms:
            return OBJECT_READS[name](ms, project)

    wanted = world.known(("read", name, project["id"]), direct)
    with world.connect() as ms:
        world.proxy.begin(plan)
        trial.step(name, lambda: _compared(trial, name, lambda: OBJECT_READS[name](ms, project), wanted))
        world.proxy.calm()
        refreshed = trial.step("refresh", lambda: ms.project(project["id"]).refresh())
        if isinstance(refreshed, MoveshelfError):
            return None
        if name in ("projects", "lookup"):
            # a list of projects that may have been true is the account's, which a project's refresh() does not reach
            with world.connect() as other:
                trial.step(
                    f"{name}, new client", lambda: same(name, OBJECT_READS[name](other, project), wanted)
                )
            return None
        trial.step(f"{name} after refresh()", lambda: same(name, OBJECT_READS[name](ms, project), wanted))
    return None


def _compared(trial: Trial, name: str, read: Callable[[], Any], wanted: Any) -> None:
    try:
        got = read()
    except RecursionError as error:
        if jobs.where(error):
            raise
        raise Wrong(f"value believed of a response (deep): {name}") from None  # we ourselves got lost in it
    proxy = trial.world.proxy
    if name == "execute":
        return  # the document is the user's own, and so is what it returns
    if any(one.startswith("plausible") for one in proxy.mutations):
        return  # it may have been true
    kinds = "+".join(sorted({one.split()[1] for one in proxy.mutations}))
    if kinds == "other_id" and name in ("subject_by_ehr_id", "getProjectSubjectByEhrId"):
        return  # the id is what was requested by another name: nothing in the response can be compared with it
    try:
        equal, shown = got == wanted, str(got)[:300]
    except RecursionError:
        equal, shown = False, "a value without end"
    if not equal:
        place = f"{name}: {shown} in place of {str(wanted)[:300]}"
        raise Wrong(f"value believed of a response ({kinds}): {place}")


# -- writes


class Write:
    """One write to a small project.

    `act` does it, with the objects or the flat client; `count` is how often the project shows its effect; `check`
    compares what `act` returned. `single`: one command does it all, so that an error with the effect there has to be
    an OutcomeUnknownError.
    """

    def __init__(
        self,
        act: Callable[[Any, dict[str, Any]], Any],
        count: Callable[[dict[str, Any], dict[str, Any]], int],
        check: Callable[[Any, dict[str, Any], dict[str, Any]], bool] = lambda value, before, after: bool(
            value
        ),
        *,
        flat: bool = False,
        single: bool = True,
    ) -> None:
        self.act, self.count, self.check, self.flat, self.single = act, count, check, flat, single


def first(project: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """The first subject, its session, the first clip and its file."""
    subject = project["patientsList"][0]
    session = subject["sessions"][0]
    return subject, session, session["clips"][0], session["clips"][0]["additionalData"][0]


def everything(project: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for subject in project["patientsList"]:
        found.append(subject)
        for session in subject["sessions"]:
            found.append(session)
            for clip in session["clips"]:
                found += [clip, *clip["additionalData"]]
    return found


def by_id(project: dict[str, Any], identity: str) -> dict[str, Any] | None:
    return next((one for one in everything(project) if one["id"] == identity), None)


def gone(place: int) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    return lambda before, after: int(by_id(after, first(before)[place]["id"]) is None)


def named(name: str) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    return lambda before, after: sum(s["name"] == name for s in after["patientsList"])


def sessions_named(name: str) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    return lambda before, after: sum(
        session_name(e) == name for s in after["patientsList"] for e in s["sessions"]
    )


def titled(title: str) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    return lambda before, after: sum(c["title"] == title for c in after["clips"])


def files_named(name: str) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    """Complete files of that name."""
    return lambda before, after: len(ids_of_files(name)(after))


def has_value(place: int, key: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], int]:
    def count(before: dict[str, Any], after: dict[str, Any]) -> int:
        record = json.loads((by_id(after, first(before)[place]["id"]) or {}).get("metadata") or "{}")
        record = record.get("metadata", record) if place == 1 else record
        return int(record.get(key) == value)

    return count


def same_id(
    find: Callable[[dict[str, Any]], list[str]],
) -> Callable[[Any, dict[str, Any], dict[str, Any]], bool]:
    """The returned object, dictionary or id is the one that the project has now."""

    def check(value: Any, before: dict[str, Any], after: dict[str, Any]) -> bool:
        identity = value["id"] if isinstance(value, dict) else getattr(value, "id", value)
        return [identity] == find(after)

    return check


def ids_of_subjects(name: str) -> Callable[[dict[str, Any]], list[str]]:
    return lambda after: [s["id"] for s in after["patientsList"] if s["name"] == name]


def ids_of_sessions(name: str) -> Callable[[dict[str, Any]], list[str]]:
    return lambda after: [
        e["id"] for s in after["patientsList"] for e in s["sessions"] if session_name(e) == name
    ]


def ids_of_clips(title: str) -> Callable[[dict[str, Any]], list[str]]:
    return lambda after: [c["id"] for c in after["clips"] if c["title"] == title]


def ids_of_files(name: str) -> Callable[[dict[str, Any]], list[str]]:
    return lambda after: [
        f["id"]
        for _, _, _, f in files_of(after)
        if f["originalFileName"] == name and f["uploadStatus"] == "Complete"
    ]


def the_file() -> str:
    """A local file to send; its name is `sent.csv`."""
    path = Path(os.environ["MOVESHELF_STATE_DIR"]).parent / "sent.csv"
    if not path.exists():
        path.write_bytes(b"frame,x\n" + b"1,2.5\n" * 200)
    return str(path)


def no_complaint(value: Any, before: Any, after: Any) -> bool:
    return True


WRITES: dict[str, Write] = {
    "create_subject": Write(
        lambda ms, p: ms.project(p["id"]).create_subject("New"), named("New"), same_id(ids_of_subjects("New"))
    ),
    "create_subject(exist_ok)": Write(
        lambda ms, p: ms.project(p["id"]).create_subject("New", exist_ok=True),
        named("New"),
        same_id(ids_of_subjects("New")),
    ),
    "create_subject(metadata)": Write(
        lambda ms, p: ms.project(p["id"]).create_subject("New", {"subject-sex": "Male"}),
        named("New"),
        lambda value, before, after: (
            [
                json.loads(s["metadata"] or "{}").get("subject-sex")
                for s in after["patientsList"]
                if s["name"] == "New"
            ]
            == ["Male"]
        ),
        single=False,
    ),
    "create_session": Write(
        lambda ms, p: ms.subject(first(p)[0]["id"]).create_session("2030-01-02"),
        sessions_named("2030-01-02"),
        same_id(ids_of_sessions("2030-01-02")),
    ),
    "create_clip": Write(
        lambda ms, p: ms.session(first(p)[1]["id"]).create_clip("Fresh", condition="Barefoot"),
        titled("Fresh"),
        same_id(ids_of_clips("Fresh")),
    ),
    "update_metadata of a subject": Write(
        lambda ms, p: ms.subject(first(p)[0]["id"]).update_metadata(
            {"subject-sex": "Female"}, overwrite=True
        ),
        has_value(0, "subject-sex", "Female"),
    ),
    "update_metadata of a session": Write(
        lambda ms, p: ms.session(first(p)[1]["id"]).update_metadata(
            {"session-height": "199"}, overwrite=True
        ),
        has_value(1, "session-height", "199"),
    ),
    "rename": Write(lambda ms, p: ms.session(first(p)[1]["id"]).rename("renamed"), sessions_named("renamed")),
    "set_date": Write(
        lambda ms, p: ms.session(first(p)[1]["id"]).set_date("2031-05-06"),
        lambda before, after: int(
            str((by_id(after, first(before)[1]["id"]) or {}).get("date"))[:10] == "2031-05-06"
        ),
    ),
    "clip.update": Write(lambda ms, p: ms.clip(first(p)[2]["id"]).update(title="Renamed"), titled("Renamed")),
    "delete of a subject": Write(lambda ms, p: ms.subject(first(p)[0]["id"]).delete(), gone(0), no_complaint),
    "delete of a session": Write(lambda ms, p: ms.session(first(p)[1]["id"]).delete(), gone(1), no_complaint),
    "delete of a clip": Write(lambda ms, p: ms.clip(first(p)[2]["id"]).delete(), gone(2), no_complaint),
    "delete of a file": Write(
        lambda ms, p: ms.clip(first(p)[2]["id"]).files[0].delete(), gone(3), no_complaint
    ),
    "delete_clips": Write(
        lambda ms, p: ms.session(first(p)[1]["id"]).conditions["Barefoot"].delete_clips(),
        gone(2),
        no_complaint,
        single=False,
    ),
    "clip.upload": Write(
        lambda ms, p: ms.clip(first(p)[2]["id"]).upload(the_file(), progress=False),
        files_named("sent.csv"),
        same_id(ids_of_files("sent.csv")),
        single=False,
    ),
    "upload_clip": Write(
        lambda ms, p: ms.project(p["id"]).upload_clip(
            the_file(), title="Sent", folder=first(p)[1]["projectPath"], progress=False
        ),
        titled("Sent"),
        same_id(ids_of_clips("Sent")),
        single=False,
    ),
    "createSubject": Write(
        lambda api, p: api.createSubject(p["id"], "New"),
        named("New"),
        same_id(ids_of_subjects("New")),
        flat=True,
    ),
    "createSession": Write(
        lambda api, p: api.createSession(p["id"], f"/{first(p)[0]['name']}/2030-01-02/", first(p)[0]["id"]),
        sessions_named("2030-01-02"),
        same_id(ids_of_sessions("2030-01-02")),
        flat=True,
    ),
    "createClip": Write(
        lambda api, p: api.createClip(p["id"], {"title": "Fresh", "projectPath": first(p)[1]["projectPath"]}),
        titled("Fresh"),
        same_id(ids_of_clips("Fresh")),
        flat=True,
    ),
    "updateClipMetadata": Write(
        lambda api, p: api.updateClipMetadata(first(p)[2]["id"], {"title": "Renamed"}),
        titled("Renamed"),
        no_complaint,
        flat=True,
    ),
    "updateSubjectMetadataInfo": Write(
        lambda api, p: api.updateSubjectMetadataInfo(
            first(p)[0]["id"], json.dumps({"note": "n"}), skip_validation=True
        ),
        has_value(0, "note", "n"),
        flat=True,
    ),
    "updateSessionMetadataInfo": Write(
        lambda api, p: api.updateSessionMetadataInfo(
            first(p)[1]["id"],
            session_name(first(p)[1]),
            json.dumps({"metadata": {"note": "n"}}),
            skip_validation=True,
        ),
        has_value(1, "note", "n"),
        flat=True,
    ),
    "deleteSubject": Write(lambda api, p: api.deleteSubject(first(p)[0]["id"]), gone(0), flat=True),
    "deleteSession": Write(lambda api, p: api.deleteSession(first(p)[1]["id"]), gone(1), flat=True),
    "deleteClip": Write(lambda api, p: api.deleteClip(first(p)[2]["id"]), gone(2), flat=True),
    "deleteAdditionalData": Write(
        lambda api, p: api.deleteAdditionalData(first(p)[3]["id"]), gone(3), flat=True
    ),
    "uploadFile": Write(
        lambda api, p: api.uploadFile(
            the_file(), p["id"], {"title": "Sent", "projectPath": first(p)[1]["projectPath"]}
        ),
        titled("Sent"),
        same_id(ids_of_clips("Sent")),
        flat=True,
        single=False,
    ),
    "uploadAdditionalData": Write(
        lambda api, p: api.uploadAdditionalData(the_file(), first(p)[2]["id"], "data", "sent.csv"),
        files_named("sent.csv"),
        same_id(ids_of_files("sent.csv")),
        flat=True,
        single=False,
    ),
}


def a_small_project(trial: Trial) -> dict[str, Any]:
    world = trial.world
    name = world.sandbox.generate(
        2, 1, 2, 1, name=f"lab/{trial.kind}-{trial.number}-{world.folder('p').name}"
    )
    return world.truth.project(world.truth.project_id(name))


def write(trial: Trial) -> None:
    rng = trial.rng
    name = rng.choice(sorted(WRITES))
    plan = [draw(rng, "mutation", rng.choice((1, 1, 1, 2)))]
    for _ in range(rng.choice((0, 0, 1, 2))):
        plan.append(draw(rng, rng.choice(("mutation", "query", "put", "get")), rng.randint(1, 3)))
    carry_out(trial, name, plan)


def mutated_write(trial: Trial) -> None:
    rng = trial.rng
    name = rng.choice(sorted(WRITES))
    aim = rng.choice(("mutation", "mutation", "mutation", "query"))
    carry_out(trial, name, [Fault("mutate", aim, rng.choice((1, 1, 1, 2)), value=f"{trial.name}/m")])


def carry_out(trial: Trial, name: str, plan: list[Fault]) -> None:
    world, one = trial.world, WRITES[name]
    before = a_small_project(trial)
    client: Any
    with world.flat() if one.flat else world.connect() as client, contextlib.redirect_stdout(io.StringIO()):
        if not one.flat:  # so that there is something that the write makes stale
            subjects = client.project(before["id"]).subjects
            same("subjects", subjects.names(), [s["name"] for s in before["patientsList"]])
        world.proxy.again(plan)
        value = trial.step(name, lambda: one.act(client, before))
        _settled(world)
        after = world.truth.project(before["id"])
        failed = isinstance(value, MoveshelfError) or trial.wrong
        _judge(trial, name, one, value, bool(failed), before, after)
        world.proxy.calm()
        if not one.flat:
            wanted = [s["name"] for s in after["patientsList"]]
            seen = trial.step(
                "afterwards", lambda: same("subjects", client.project(before["id"]).subjects.names(), wanted)
            )
            if isinstance(seen, MoveshelfError):
                trial.fail(f"{name}, afterwards: {type(seen).__name__}, after {trial.struck}", str(seen))


def _judge(
    trial: Trial,
    name: str,
    one: Write,
    value: Any,
    failed: bool,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    count = one.count(before, after)
    shown = f"{name}: the effect is there {count} times; {value!r}"
    mutations = trial.world.proxy.mutations
    told = trial.struck if not mutations else "+".join(sorted({m.split()[1] for m in mutations}))
    if isinstance(value, MoveshelfError):
        shown = f"{name}: the effect is there {count} times; {type(value).__name__}: {value}"
        if count == 1 and one.single and not isinstance(value, OutcomeUnknownError):
            trial.fail(f"{name}: carried out, and {type(value).__name__} hides it, after {told}", shown)
    if count > 1:
        trial.fail(f"{name}: done {count} times, after {told}", shown)
    if not failed and not any(m.startswith("plausible") for m in mutations):
        if count < 1 and bool(value):
            trial.fail(f"{name}: reported done, and was not, after {told}", shown)
        elif count == 1 and not one.check(value, before, after):
            trial.fail(f"{name}: done, and what it returns is wrong, after {told}", shown)
    ghosts = [f["uploadStatus"] for _, _, _, f in files_of(after) if f["uploadStatus"] != "Complete"]
    if not failed and ghosts:
        trial.fail(f"{name}: reported done, and a file that is {ghosts[0]} is left, after {told}", shown)
    others = [s for s in after["patientsList"] if s["id"] == before["patientsList"][1]["id"]]
    if [unsigned(s) for s in others] != [unsigned(before["patientsList"][1])]:
        trial.fail(f"{name}: another subject was changed, after {told}", shown)


def _settled(world: World) -> None:
    """Wait until the proxy has carried out what has reached it."""
    while world.proxy.busy:
        time.sleep(0.002)


# -- many rows at once

BULK = ("create_subjects", "create_sessions", "create_clips", "import_table")


def bulk_rows(trial: Trial, call: str, project: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of which some are there already, with a value that is nowhere stored yet."""
    rng = trial.rng
    count = rng.choice((3, 8, 60, 120))
    subjects = [s["name"] for s in project["patientsList"]]
    value = f"{trial.kind}-{trial.number}"
    if call == "create_clips":
        rows = []
        for s in project["patientsList"]:
            for e in s["sessions"]:
                there = [(condition_name(c), c["title"]) for c in e["clips"]]
                new = [("Fresh", f"Trial-{n}") for n in range(count)]
                rows += [
                    {
                        "subject": s["name"],
                        "session": session_name(e),
                        "condition": condition,
                        "title": title,
                        "description": value,
                        "custom_options": {"note": value},
                    }
                    for condition, title in (*there, *new)
                ]
        return rows
    if call == "create_sessions":
        owners = [(s["name"], session_name(s["sessions"][0])) for s in project["patientsList"]]
        owners += [(rng.choice(subjects), f"new-{n}") for n in range(count)]
        return [
            {
                "subject": subject,
                "name": name,
                "date": "2031-05-06",
                "metadata": {"session-height": str(1000 + trial.number)},
            }
            for subject, name in owners
        ]
    names = [*subjects, *(f"New-{n}" for n in range(count))]
    if call == "import_table":
        return [{"name": name, "subject-notes": value} for name in names]
    return [{"name": name, "metadata": {"subject-notes": value}} for name in names]


def bulk_found(call: str, row: dict[str, Any], project: dict[str, Any]) -> list[tuple[str, bool]]:
    """The objects of a row, by id, and whether they hold its values."""
    if call in ("create_subjects", "import_table"):
        value = row["subject-notes"] if call == "import_table" else row["metadata"]["subject-notes"]
        return [
            (s["id"], json.loads(s["metadata"] or "{}").get("subject-notes") == value)
            for s in project["patientsList"]
            if s["name"] == row["name"]
        ]
    sessions = [(s, e) for s in project["patientsList"] if s["name"] == row["subject"] for e in s["sessions"]]
    if call == "create_sessions":
        return [
            (
                e["id"],
                str(e["date"])[:10] == row["date"]
                and json.loads(e["metadata"] or "{}").get("metadata") is not None
                and json.loads(e["metadata"])["metadata"].get("session-height")
                == row["metadata"]["session-height"],
            )
            for _, e in sessions
            if session_name(e) == row["name"]
        ]
    return [
        (
            c["id"],
            c["description"] == row["description"]
            and json.loads(c["customOptions"] or "null") == row["custom_options"],
        )
        for _, e in sessions
        if session_name(e) == row["session"]
        for c in e["clips"]
        if (condition_name(c), c["title"]) == (row["condition"], row["title"])
    ]


def check_bulk(
    trial: Trial,
    call: str,
    rows: list[dict[str, Any]],
    entries: Any,
    before: dict[str, Any],
    *,
    calm: bool = False,
) -> None:
    """No row is there twice, and each entry is true; `calm`: none has failed."""
    after = trial.world.truth.project(before["id"])
    told = f"after {trial.struck}"
    for number, row in enumerate(rows):
        found = bulk_found(call, row, after)
        entry = entries[number] if isinstance(entries, list) else None
        shown = f"{row}: {found}; {entry}"
        if len(found) > 1:
            trial.fail(f"{call}: a row was made twice, {told}", shown)
        elif entry is None:
            continue
        elif entry["status"] == "failed":
            if calm:
                trial.fail(f"{call}: a row has failed although nothing disturbs it", shown)
            unknown = entry["error"] is not None and entry["error"]["unknown"]
            was = bulk_found(call, row, before)
            if found != was and not unknown and entry["id"] is None:
                trial.fail(f"{call}: a row is there that is said to have failed, {told}", shown)
            if found and found[0][1] and not unknown:
                trial.fail(f"{call}: a row is written that is said to have failed, {told}", shown)
        elif not found or not found[0][1]:
            trial.fail(f"{call}: a row that is said to be {entry['status']} is not, {told}", shown)
        elif entry["id"] != found[0][0]:
            trial.fail(f"{call}: the object of a row is another one, {told}", shown)
    known = {identity for row in rows for identity, _ in bulk_found(call, row, after)}
    known |= {one["id"] for one in everything(before)}
    kinds = {"create_sessions": "projectPath", "create_clips": "title"}
    for one in everything(after):
        if one["id"] not in known and kinds.get(call, "externalId") in one:
            trial.fail(f"{call}: an object that no row is about, {told}", str(one))


def bulk(trial: Trial) -> None:
    world, rng = trial.world, trial.rng
    call = BULK[trial.number % len(BULK)]
    before = a_small_project(trial)
    rows = bulk_rows(trial, call, before)
    if rng.random() < 0.3:
        state = world.folder("state")
        entries = killed_until_done(
            trial,
            "bulk",
            state,
            lambda: check_bulk(trial, call, rows, None, before),
            project=before["id"],
            call=call,
            rows=rows,
        )
        if entries is not None:
            check_bulk(trial, call, rows, entries, before, calm=True)
        return
    with world.connect() as ms:
        if rng.random() < 0.5:
            ms.project(before["id"]).subjects.load("metadata", "sessions.metadata", "sessions.clips")
        world.proxy.again([draw(rng, "mutation", rng.choice((1, 1, 2, 3))) for _ in range(rng.randint(1, 3))])
        if rng.random() < 0.4:
            world.proxy.again(rate=rng.choice((0.1, 0.3, 0.6)), seed=trial.name)
        entries = trial.step(call, lambda: jobs.bulk_entries(ms, world.watch, before["id"], call, rows))
        _settled(world)
        check_bulk(trial, call, rows, entries, before)
        for entry in entries if isinstance(entries, list) else ():
            if entry["error"] is not None and not entry["error"]["ours"]:
                trial.foreign(call, entry["error"])
        world.proxy.calm()
        again = trial.step(
            f"{call} again", lambda: jobs.bulk_entries(ms, world.watch, before["id"], call, rows)
        )
        check_bulk(trial, call, rows, again, before, calm=True)
        if isinstance(again, MoveshelfError):
            trial.fail(f"{call} again: {type(again).__name__}, after {trial.struck}", str(again))
        # what the client shows is what the service holds
        after = world.truth.project(before["id"])
        trial.step("afterwards", lambda: _shows(ms.project(before["id"]), after))


def _shows(project: Any, after: dict[str, Any]) -> None:
    for subject, s in pairs("subject", project.subjects, after["patientsList"]):
        same("subject.name", subject.name, s["name"])
        same(
            "subject's note",
            subject.metadata.get("subject-notes"),
            json.loads(s["metadata"] or "{}").get("subject-notes"),
        )
        for session, e in pairs("session", subject.sessions, s["sessions"]):
            same("session.name", session.name, session_name(e))
            same("session.date", str(session.date), str(e["date"])[:10])
            for clip, c in pairs("clip", session.clips, e["clips"]):
                same("clip.title", clip.title, c["title"])
                same("clip.description", clip.description, c["description"])


# -- trees, killed


def make_folder(trial: Trial, folder: Path) -> dict[str, bytes]:
    """A folder to upload: its files' bytes by path."""
    rng = trial.rng
    content = {}
    for subject in range(rng.randint(1, 2)):
        for session in range(rng.randint(1, 2)):
            for clip in range(rng.randint(1, 3)):
                for name in rng.sample(
                    ("angles.json", "data.c3d", "event.json", "notes.txt"), rng.randint(1, 2)
                ):
                    path = f"P-{subject}/2024-0{session + 1}-05/{rng.choice(('Barefoot', 'Braced'))}/Trial-{clip}_{name}"
                    content[path] = rng.randbytes(rng.choice((0, 10, 2_000, 200_000)))
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return content


ROUNDS = 14


def killed_until_done(
    trial: Trial, job: str, state: Path, check: Callable[[], None], **arguments: Any
) -> Any:
    """Start the job again and again, kill it at a random request, at last let it run; its last result.

    `check` has to hold after each of them.
    """
    world, rng = trial.world, trial.rng
    faulty = rng.random() < 0.4
    deaths = rng.randint(1, 4)
    environment = {"MOVESHELF_STATE_DIR": str(state)}
    for number in range(ROUNDS):
        calm = number >= deaths
        label = f"{job} {'after' if calm else 'before'} the last kill"
        world.proxy.calm()
        if faulty and not calm:
            world.proxy.again(rate=0.08, seed=f"{trial.name}/{job}/{number}")
        child = world.child(job, environment=environment, **arguments)
        death = Death(rng, child)
        if not calm:
            world.proxy.spy = death
        errors = len(trial.errors)
        entries = trial.child_result(label, child)
        world.proxy.spy = None
        fate = "lived" if child.status == 0 else f"died of {child.status}"
        trial.notes.append(f"{job} {number}: {fate}; {'nothing disturbs it' if calm else death}")
        _settled(world)
        try:
            check()
        except Wrong as error:
            trial.fail(f"{label}: {str(error).partition(':')[0]}", str(error))
            return None
        if trial.wrong or trial.hangs:
            return None
        if calm:
            if entries is not None and len(trial.errors) == errors:
                return entries
            last = (
                trial.errors[-1] if len(trial.errors) > errors else {"type": "died", "text": "", "trace": ""}
            )
            trial.fail(f"{label}: {last['type']} although nothing disturbs it", last.get("trace", ""))
            return None
    return None


class Death:
    """Kills a process at the n-th request that it sends, or the n-th that makes files."""

    def __init__(self, rng: random.Random, child: Child) -> None:
        self.child = child
        self.phase = rng.choice(("arrived", "carried out", "carried out", "responded"))
        self.what = rng.choice(("", "", "mutation", "createAdditionalData"))
        self.nth = rng.randint(1, {"": 14, "mutation": 6, "createAdditionalData": 3}[self.what])
        self.delay = rng.choice((0, 0, 0.005, 0.03))
        self._count = 0

    def __call__(self, request: Request, phase: str) -> None:
        if phase != self.phase or self.what.encode() not in request.body:
            return
        self._count += 1
        if self._count == self.nth:
            threading.Timer(self.delay, self.child.kill).start() if self.delay else self.child.kill()

    def __str__(self) -> str:
        return f"to die {self.delay} s after {self.what or 'request'} #{self.nth} {self.phase}, {self._count} were seen"


def faulty_tree(trial: Trial) -> None:
    """A folder goes up while requests fail: each line of the result is true; run again, all of it is there once."""
    world = trial.world
    identity = world.sandbox.add_project(f"lab/faulty-{trial.number}-{world.folder('p').name}")
    folder = world.folder("in")
    content = make_folder(trial, folder)

    def upload(ms: moveshelf.Moveshelf) -> list[dict[str, Any]]:
        result = ms.project(identity).upload_tree(folder, "underscore", progress=False)
        for entry in result:
            if entry.error is not None and not isinstance(entry.error, MoveshelfError):
                trial.foreign("upload_tree", jobs.told(entry.error))
        return jobs.entries(result, world.watch)

    with world.connect() as ms:
        world.proxy.again(rate=trial.rng.choice((0.05, 0.15, 0.4)), seed=trial.name)
        entries = trial.step("upload_tree", lambda: upload(ms))
        _settled(world)
        found = world.truth.tree(identity)
        done = (
            {one["path"]: one for one in entries if one["status"] == "done"}
            if isinstance(entries, list)
            else {}
        )
        for path, data in content.items():
            complete = [one for status, one in found.get(path, []) if status == "Complete"]
            if len(complete) > 1:
                trial.fail(f"upload_tree: a file is there twice, after {trial.struck}", path)
            elif complete not in ([], [data]):
                trial.fail(f"upload_tree: a file has other bytes, after {trial.struck}", path)
            elif path in done and not complete:
                trial.fail(
                    f"upload_tree: a file that is reported done is not there, after {trial.struck}", path
                )
        world.proxy.calm()
        again = trial.step("upload_tree again", lambda: upload(ms))
        if isinstance(again, MoveshelfError):
            trial.fail(f"upload_tree again: {type(again).__name__}, after {trial.struck}", str(again))
        elif again is not None:
            for one in again:
                if one["status"] == "failed":
                    trial.fail(f"upload_tree again: {one['error']['type']}, after {trial.struck}", str(one))
        check_tree(trial, identity, content, again if isinstance(again, list) else None)
        after = world.truth.project(identity)
        trial.step("afterwards", lambda: _shows(ms.project(identity), after))
    shutil.rmtree(folder, ignore_errors=True)


def tree(trial: Trial) -> None:
    if trial.rng.random() < 0.4:
        return faulty_tree(trial)
    world = trial.world
    identity = world.sandbox.add_project(f"lab/tree-{trial.number}-{world.folder('p').name}")
    folder, target, state = world.folder("in"), world.folder("out"), world.folder("state")
    content = make_folder(trial, folder)
    entries = killed_until_done(trial, "upload", state, lambda: None, project=identity, folder=str(folder))
    check_tree(trial, identity, content, entries)
    if trial.wrong or entries is None:
        return
    with world.connect(through_proxy=False) as ms:
        reference = world.folder("reference")
        ms.project(identity).download(reference, progress=False).raise_for_errors()  # type: ignore[union-attr]
    wanted = contents_of(reference)
    same("downloaded bytes", sorted(wanted.values()), sorted(content.values()))

    def check() -> None:
        if target.exists():
            check_folder(target, wanted)

    killed_until_done(trial, "download", state, check, project=identity, folder=str(target))
    if not trial.wrong and not trial.hangs:
        if contents_of(target) != wanted:
            trial.fail("download: files are missing", str(sorted(set(wanted) - set(contents_of(target)))))
        parts = [path.name for path in target.rglob("*") if ".part" in path.name]
        if parts:
            trial.fail("download: parts are left in the folder", str(parts))
    trial.right += 1
    for path in (folder, target, state, reference):
        shutil.rmtree(path, ignore_errors=True)


def check_tree(trial: Trial, identity: str, content: dict[str, bytes], entries: Any) -> None:
    """The project holds the folder once: subjects, sessions, clips and files."""
    if trial.wrong or trial.hangs:
        return
    project = trial.world.truth.project(identity)
    for what, names in (
        ("subject", [s["name"] for s in project["patientsList"]]),
        ("session", [e["projectPath"] for s in project["patientsList"] for e in s["sessions"]]),
        ("clip", [f"{c['projectPath'].strip('/')}/{c['title']}" for c in project["clips"]]),
    ):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            trial.fail(f"upload: a {what} was made twice", str(twice))
    told = {entry["path"]: entry["reason"] for entry in entries or ()}
    found = trial.world.truth.tree(identity)
    for path, data in content.items():
        there = found.pop(path, [])
        complete = [one for status, one in there if status == "Complete"]
        if len(complete) > 1:
            trial.fail("upload: a file is there twice", path)
        elif complete != [data]:
            trial.fail(
                "upload: a file is missing or wrong although reported done", f"{path}: {told.get(path)}"
            )
        ghosts = [status for status, _ in there if status != "Complete"]
        if ghosts and "unfinished" not in told.get(path, "") and "left" not in told.get(path, ""):
            trial.fail(
                "upload: a ghost is left and the result does not say so",
                f"{path}: {ghosts}; {told.get(path)!r}",
            )
    if found:
        trial.fail("upload: files nobody has sent", str(sorted(found)))


# -- together: several at once


def together(trial: Trial) -> None:
    kinds = (
        two_uploads,
        upload_threads,
        two_downloads,
        lost_updates,
        create_at_once,
        one_name_threads,
        cold_start,
        bulk_at_once,
        killed_beside,
        killed_beside,
        killed_beside,
    )
    kinds[trial.number % len(kinds)](trial)


def _run_all(trial: Trial, label: str, job: str, count: int, **arguments: Any) -> list[Any]:
    state = trial.world.folder("state")
    environment = {"MOVESHELF_STATE_DIR": str(state)}
    each = arguments.pop("each", [{}] * count)
    children = [trial.world.child(job, environment=environment, **arguments, **own) for own in each]
    return [trial.child_result(label, child) for child in children]


def two_uploads(trial: Trial) -> None:
    world = trial.world
    identity = world.sandbox.add_project(f"lab/two-{trial.number}-{world.folder('p').name}")
    folder = world.folder("in")
    content = make_folder(trial, folder)
    world.sandbox.latency(trial.rng.choice((0, 0.005, 0.02)))
    try:
        results = _run_all(trial, "two upload_tree", "upload", 2, project=identity, folder=str(folder))
    finally:
        world.sandbox.latency(0)
    check_tree(trial, identity, content, results[0])
    clean_only(trial, "two upload_tree")


def upload_threads(trial: Trial) -> None:
    """upload_tree from two threads of one client or two clients, of one process."""
    world = trial.world
    identity = world.sandbox.add_project(f"lab/threads-{trial.number}-{world.folder('p').name}")
    folder = world.folder("in")
    content = make_folder(trial, folder)
    with world.connect() as one, world.connect() as other:
        clients = (one, one if trial.rng.random() < 0.5 else other)

        def work(ms: moveshelf.Moveshelf) -> Any:
            result = ms.project(identity).upload_tree(folder, "underscore", progress=False)
            result.raise_for_errors()  # type: ignore[union-attr]
            return [{"path": entry.path, "reason": entry.reason} for entry in result]  # type: ignore[union-attr]

        results = in_threads(trial, "two upload_tree in threads", [lambda ms=ms: work(ms) for ms in clients])
    check_tree(trial, identity, content, results[0] if isinstance(results[0], list) else None)
    clean_only(trial, "two upload_tree in threads")


def two_downloads(trial: Trial) -> None:
    world = trial.world
    project = world.project(trial.number % len(SHAPES))
    target = world.folder("out")
    wanted: dict[str, bytes] = world.known(("whole", project["id"]), lambda: _reference(world, project))
    _run_all(trial, "two downloads", "download", 2, project=project["id"], folder=str(target))
    try:
        same("files on the disk", contents_of(target), wanted)
    except Wrong as error:
        trial.fail("two downloads: wrong bytes or missing files", str(error))
    clean_only(trial, "two downloads")


def _reference(world: World, project: dict[str, Any]) -> dict[str, bytes]:
    folder = world.folder("reference")
    with world.connect(through_proxy=False) as ms:
        ms.project(project["id"]).download(folder, progress=False).raise_for_errors()  # type: ignore[union-attr]
    return contents_of(folder)


def lost_updates(trial: Trial) -> None:
    """Three processes write ten keys each to one subject: what is reported done is there."""
    world = trial.world
    subject = a_small_project(trial)["patientsList"][0]["id"]
    keys = [[f"note-{process}-{number}" for number in range(10)] for process in range(3)]
    each = [{"keys": own} for own in keys]
    results = _run_all(trial, "three writers", "metadata", 3, subject=subject, each=each)
    query = "query Now($id: ID!) { node(id: $id) { ... on Patient { metadata } } }"
    now = json.loads(world.truth.query(query, id=subject)["node"]["metadata"])
    done = [key for result in results if result for key in result["done"]]
    lost = [key for key in done if key not in now]
    if lost:
        trial.fail(
            "three writers of one subject: updates reported done are lost",
            f"{len(lost)} of {len(done)}: {lost}",
        )
    trial.right += 1


def create_at_once(trial: Trial) -> None:
    world = trial.world
    identity = world.sandbox.add_project(f"lab/create-{trial.number}-{world.folder('p').name}")
    results = _run_all(trial, "create_*(exist_ok=True)", "create", 3, project=identity)
    project = world.truth.project(identity)
    counts = [
        len(project["patientsList"]),
        sum(len(s["sessions"]) for s in project["patientsList"]),
        len(project["clips"]),
    ]
    if counts != [1, 1, 1]:
        trial.fail("create_*(exist_ok=True) from three processes: made more than once", f"{counts}")
    elif len({tuple(one) for one in results if one}) > 1:
        trial.fail("create_*(exist_ok=True) from three processes: different ids returned", str(results))
    clean_only(trial, "create_*(exist_ok=True) from three processes")


def bulk_at_once(trial: Trial) -> None:
    """Three processes write the same rows."""
    call = trial.rng.choice(BULK)
    before = a_small_project(trial)
    rows = bulk_rows(trial, call, before)
    results = _run_all(trial, f"{call} at once", "bulk", 3, project=before["id"], call=call, rows=rows)
    for entries in results:
        check_bulk(trial, call, rows, entries, before, calm=True)
    clean_only(trial, f"{call} at once")


def killed_beside(trial: Trial) -> None:
    """Two processes do the same, and one is killed: the other does it all, and a third finds nothing left to do."""
    world, rng = trial.world, trial.rng
    state, target = world.folder("state"), world.folder("out")
    job = ("upload", "download", "bulk")[trial.number % 3]
    label = f"{job} beside one that is killed"
    arguments: dict[str, Any] = {"environment": {"MOVESHELF_STATE_DIR": str(state)}}
    content: dict[str, bytes] = {}
    before: dict[str, Any] = {}
    if job == "upload":
        arguments["project"] = world.sandbox.add_project(
            f"lab/beside-{trial.number}-{world.folder('p').name}"
        )
        arguments["folder"] = str(world.folder("in"))
        content = make_folder(trial, Path(arguments["folder"]))
    elif job == "download":
        project = world.project(trial.number % len(SHAPES))
        arguments |= {"project": project["id"], "folder": str(target)}
        content = world.known(("whole", project["id"]), lambda: _reference(world, project))
    else:
        before = a_small_project(trial)
        call = rng.choice(BULK)
        arguments |= {"project": before["id"], "call": call, "rows": bulk_rows(trial, call, before)}
    world.sandbox.latency(rng.choice((0, 0.005, 0.02)))
    try:
        victim = world.child(job, **arguments)
        if rng.random() < 0.5:
            time.sleep(rng.random() * 0.1)
        other = world.child(job, **arguments)
        # the requests of both are counted: which one comes first is chance
        world.proxy.spy = Death(rng, victim)
        trial.child_result(label, victim)
        results = [trial.child_result(label, other)]
    finally:
        world.sandbox.latency(0)
        world.proxy.spy = None
    trial.notes.append(f"the victim {'lived' if victim.status == 0 else f'died of {victim.status}'}")
    _settled(world)
    results.append(trial.child_result(f"{job} afterwards", world.child(job, **arguments)))
    for entries in results:
        if job == "upload":
            check_tree(trial, arguments["project"], content, entries)
        elif job == "download":
            try:
                same("files on the disk", contents_of(target), content)
            except Wrong as error:
                trial.fail(f"{label}: wrong bytes or missing files", str(error))
        else:
            check_bulk(trial, arguments["call"], arguments["rows"], entries, before, calm=True)
    parts = [path.name for path in target.rglob("*") if ".part" in path.name]
    if parts:
        trial.fail(f"{label}: parts are left in the folder", str(parts))
    clean_only(trial, label)


def one_name_threads(trial: Trial) -> None:
    """upload(existing="skip") of one file from eight threads: one file."""
    world = trial.world
    project = a_small_project(trial)
    clip = first(project)[2]["id"]
    with world.connect() as ms:
        work = lambda: ms.clip(clip).upload(the_file(), existing="skip", progress=False).id  # noqa: E731
        in_threads(trial, "upload(existing='skip') from 8 threads", [work] * 8)
    after = world.truth.project(project["id"])
    count = files_named("sent.csv")(project, after)
    if count != 1:
        trial.fail("upload(existing='skip') from 8 threads: not one file", f"{count} files")
    clean_only(trial, "upload(existing='skip') from 8 threads")


COLD = """
import sys, threading
import moveshelf
ms = moveshelf.connect(api_key=sys.argv[1], api_url=sys.argv[2], timeout=10)
project, target, first = ms.project(sys.argv[3]), sys.argv[4], sys.argv[5]
failures = []
def work(call):
    try:
        call()
    except BaseException as error:
        failures.append(error)
calls = {
    "download": [lambda: project.download(target, progress=False).raise_for_errors()],
    "threads": [lambda: project.name, lambda: project.subjects.names(), lambda: project.norms.names()] * 2,
    "both": [lambda: project.download(target, progress=False).raise_for_errors(), lambda: project.subjects.names()],
}[first]
threads = [threading.Thread(target=work, args=(call,)) for call in calls]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for error in failures:
    raise error
"""
"""A program whose first requests come at once, while nothing is imported yet."""


def cold_start(trial: Trial) -> None:
    world = trial.world
    project = world.project(0)
    first_call = trial.rng.choice(("download", "threads", "both"))
    target = world.folder("cold")
    arguments = [world.sandbox.api_key, world.proxy.api_url, project["id"], str(target), first_call]
    ended = subprocess.run(
        [sys.executable, "-c", COLD, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    if ended.returncode or ended.stderr.strip():
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        trial.fail(f"first call of a process ({first_call}): {last[:120]}", ended.stderr[-4000:])
    trial.right += 1


def in_threads(trial: Trial, label: str, works: list[Callable[[], Any]]) -> list[Any]:
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        results[number] = trial.step(label, work)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def clean_only(trial: Trial, label: str) -> None:
    """Nothing disturbs these trials: an error is one too many."""
    for error in trial.errors:
        trial.fail(f"{label}: {error['type']} at {error['where']}", error["trace"])
    trial.errors.clear()


# -- the detectors themselves


def detector(trial: Trial) -> None:
    """What each column is for, done on purpose; `number` says which."""
    world = trial.world
    token = world.sandbox.api_key

    def careless(key: str) -> None:
        raise ValueError("nothing of ours")

    def request(port: int, path: str, body: bytes | None = None, **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("POST" if body else "GET", path, body, headers)
        connection.getresponse().read()
        connection.close()

    trials: dict[int, Callable[[], Any]] = {
        0: lambda: same("a value", 1, 2),
        1: lambda: careless("x"),
        2: lambda: logging.getLogger("anybody").debug("connecting with %s", token),
        3: lambda: request(world.proxy.store_port, "/store/x", Authorization=f"Bearer {token}"),
        4: lambda: request(world.proxy.other_port, f"/?key={token}"),
        5: lambda: request(world.proxy.api_port, "/graphql", token.encode()),
        6: lambda: world.watch.objects({"key": token}),
        7: lambda: _refuse(token),
        8: lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        9: lambda: threading.Event().wait(),
        10: lambda: same("a value", 1, 1),
        11: lambda: _refuse("nothing secret"),
        12: lambda: json.loads(f"x{token}"),  # below it, a frame of json's holds it
    }
    trial.step("detector", trials[trial.number])


def _refuse(text: str) -> None:
    raise MoveshelfError(f"refused: {text}")


KINDS: dict[str, Callable[[Trial], None]] = {
    "detector": detector,
    "walk": walk,
    "mutated": mutated,
    "write": write,
    "bulk": bulk,
    "tree": tree,
    "together": together,
}
