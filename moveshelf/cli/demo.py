"""`moveshelf demo` and `moveshelf sandbox`: Moveshelf on this machine, without an account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from . import show, text

if TYPE_CHECKING:
    from ..client import Moveshelf

_LATENCY = 0.05
_TRIAL = ("P-001", "Barefoot", "Trial-1", "angles_normalized.json")
_KNEE = "LKneeAngles-x"


@click.command()
@click.option(
    "--latency",
    type=click.FloatRange(0),
    default=_LATENCY,
    show_default=True,
    metavar="S",
    help="Seconds that every response takes, as over a network.",
)
def demo(latency: float) -> None:
    """Walk a project of gait data as Python objects. Needs no account and no network."""
    from ..sandbox import Sandbox

    with Sandbox(demo=True) as sandbox:
        sandbox.latency(latency)
        with sandbox.connect() as client:
            _show(client, latency)


def _show(client: Moveshelf, latency: float) -> None:
    dash = "—" if text.has_signs() else "-"
    show.out(
        f"A Moveshelf of your own on {client.url.split('/')[2]}, with one project of synthetic subjects whose"
    )
    show.out("curves are drawn from real gait data (Schwartz, Rozumalski and Trost 2008).")
    started = time.perf_counter()
    project = client.projects["lab/demo"]
    counts = {"subjects": 0, "sessions": 0, "conditions": 0, "trials": 0, "files": 0}
    lines: list[Any] = []
    for subject in project.subjects:
        sessions = []
        trials = 0
        for session in subject.sessions:
            conditions: list[show.Branch] = []
            for condition in session.conditions:
                files = sum(len(clip.files) for clip in condition.clips)
                counts["files"] += files
                count = len(condition.clips)
                conditions.append(
                    (condition.name, f" {text.plural(count, 'trial')}, {text.plural(files, 'file')}", [])
                )
                trials += count
            counts["conditions"] += len(conditions)
            sessions.append((session.name, "", conditions))
        counts["subjects"] += 1
        counts["sessions"] += len(sessions)
        counts["trials"] += trials
        summary = f" {text.plural(len(sessions), 'session')}, {text.plural(trials, 'trial')}"
        lines.append((subject.name, summary, [] if lines else sessions))
    seconds = time.perf_counter() - started
    requests = client.stats.requests

    show.out("")
    show.tree(f"{project.name}  " + ", ".join(f"{number:,} {noun}" for noun, number in counts.items()), lines)
    show.out("")
    _show_sessions(client)
    show.out("")
    _show_knee(client)
    show.out("")
    # a condition is no object of the service's: it is read off the paths of its trials
    objects = 1 + sum(number for noun, number in counts.items() if noun != "conditions")
    one_each = 2 + counts["subjects"] + counts["sessions"] + counts["trials"]
    summary = f"{objects:,} objects seen {dash} {requests} requests sent, {seconds:.2f} s"
    show.out(click.style(summary, bold=show.has_colours()), styled=show.has_colours())
    show.out(
        f"One request per object (the projects, the subjects, each subject, each session, each trial): {one_each:,} requests"
        + (
            f",\nat the {latency:g} s a request of this demo at least {one_each * latency:.1f} s."
            if latency
            else "."
        )
    )
    show.out("")
    show.out(_NEXT)


def _show_sessions(client: Moveshelf) -> None:
    subject = client.projects["lab/demo"].subjects[_TRIAL[0]]
    show.out(f"The sessions of {subject.name} (subject.sessions)")
    rows = []
    for session in subject.sessions:
        values = session.metadata
        rows.append(
            [
                session.name,
                session.date,
                values.get("session-type"),
                values.get("session-height"),
                values.get("session-weight"),
                ", ".join(session.conditions.names()),
                len(session.clips),
            ]
        )
    show.table(["session", "date", "type", "height", "weight", "conditions", "trials"], rows)


def _show_knee(client: Moveshelf) -> None:
    name, condition, trial, file = _TRIAL
    session = client.projects["lab/demo"].subjects[name].sessions[0]
    curves: Any = session.conditions[condition].clips[trial].files[file].json()
    curve = next(one for one in curves["data"] if one["label"] == _KNEE)
    degrees = "°" if text.has_signs() else "deg"
    show.out(
        f"Left knee flexion in {degrees}, {name}, {session.name}, {condition}, {trial} ({file}, {_KNEE})"
    )
    for line in text.plot([(row["perc"], row["mean"]) for row in curve["values"]]):
        show.out(line)
    show.out(" " * 8 + "% of the gait cycle")


_NEXT = """\
Next, in Python:
    from moveshelf.sandbox import Sandbox
    ms = Sandbox(demo=True).start().connect()
    for subject in ms.projects["lab/demo"].subjects:
        print(subject.name, [session.name for session in subject.sessions])
Next, on your own data: moveshelf --region eu login saves the key of your Moveshelf profile page, then
    import moveshelf
    ms = moveshelf.connect()
    print(ms.projects)
or look around from here: moveshelf projects"""


@click.command()
@click.option(
    "--path", type=click.Path(file_okay=False), help="Keep the data in this folder (else a temporary one)."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 (else a free one).")
@click.option("--demo", "with_demo", is_flag=True, help="With the project lab/demo.")
@click.option(
    "--latency", type=click.FloatRange(0), default=0.0, metavar="S", help="Seconds every response takes."
)
@click.option(
    "--per-object",
    type=click.FloatRange(0),
    default=0.0,
    metavar="S",
    help="And seconds for each object in it.",
)
@click.option("--json", "json_", is_flag=True, help="Print URL, key and folder as one line of JSON.")
def sandbox(
    path: str | None, port: int, with_demo: bool, latency: float, per_object: float, json_: bool
) -> None:
    """Serve a local Moveshelf to practise and test on, until Ctrl-C.

    Its folder holds the data, a key file and a config file: a script that runs there connects to it by itself.
    """
    from ..sandbox import serve

    serve(path, port, with_demo, latency, per_object, as_json=json_)
