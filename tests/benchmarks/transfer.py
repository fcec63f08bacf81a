"""Bytes both ways: ours, the published client and plain HTTP, against one sandbox in a process of its own.

    python tests/benchmarks/transfer.py [--size 1024] [--files 500] [--latency 0.02] [--rounds 3]

One file of `--size` MiB without latency, then `--files` of 100 kB with it, blobs too. Every measurement is a process of
its own that times itself and tells by how much its memory grew at its peak; of each the median of `--rounds`, by turns.
A virtual machine's memory comes from its host when it is first touched, which takes longer than all of this; so that not
one of them pays for it by chance, four times the large file is touched and let go before each.
The published client is installed into an environment of its own when it is first needed; `--published` names the
interpreter of one that is there.

Wanted: the large file up at 3 times the published client's speed or more, down no slower than a plain GET that reads it
all, at most 64 MiB more memory either way; the many files up at 7 times the speed of the published client's loop, down at
2.5 times that of five threads with a plain GET each.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import VERSION, Server, ours, peak, published_python, table

SMALL = 100_000
Facts = dict[str, Any]


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Seconds, and bytes by which the process has grown at its peak."""
    gc.collect()  # what the imports have left is nobody's here
    before = peak()
    begin = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - begin, "memory": peak() - before}


# each of these runs in a process of its own ---------------------------------------------------------------------


def theirs_up(facts: Facts) -> dict[str, float]:
    """One after the other, as its users' scripts do."""
    from moveshelf_api.api import MoveshelfApi

    api = MoveshelfApi(facts["key_file"], facts["api_url"])
    api.getUserProjects()

    def work() -> None:
        for clip, path, name in facts["jobs"]:
            api.uploadAdditionalData(path, clip, "raw", name)

    return measured(work)


def ours_up(facts: Facts) -> dict[str, float]:
    import moveshelf

    with moveshelf.connect(facts["key_file"], facts["api_url"]) as ms:
        clip = ms.clip(facts["clip"])
        clip.load()
        return measured(lambda: clip.upload(facts["path"]))


def ours_tree_up(facts: Facts) -> dict[str, float]:
    import moveshelf

    with moveshelf.connect(facts["key_file"], facts["api_url"]) as ms:
        project = ms.projects[facts["project"]]
        return measured(lambda: project.upload_tree(facts["folder"]).raise_for_errors())  # type: ignore[union-attr]


def plain_up(facts: Facts) -> dict[str, float]:
    """A PUT straight from the file, no checksum: what the loopback and the sandbox allow."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(facts["url"])

    def work() -> None:
        assert parts.hostname
        connection = http.client.HTTPConnection(parts.hostname, parts.port, blocksize=1 << 20)
        with open(facts["path"], "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            connection.request("PUT", f"{parts.path}?{parts.query}", stream, {"Content-Length": str(size)})
            assert connection.getresponse().status == 200

    return measured(work)


def ours_down(facts: Facts) -> dict[str, float]:
    import moveshelf

    with moveshelf.connect(facts["key_file"], facts["api_url"]) as ms:
        project = ms.projects[facts["project"]]
        return measured(lambda: project.download(facts["to"]).raise_for_errors())  # type: ignore[union-attr]


def urllib_down(facts: Facts) -> dict[str, float]:
    import urllib.request

    def work() -> None:
        with urllib.request.urlopen(facts["url"]) as answer:
            assert len(answer.read()) == facts["bytes"]

    return measured(work)


def requests_down(facts: Facts) -> dict[str, float]:
    import requests

    def work() -> None:
        assert len(requests.get(facts["url"], timeout=60).content) == facts["bytes"]

    return measured(work)


def saved_down(facts: Facts) -> dict[str, float]:
    """Reads it all, then writes it, so that it is where a download has it."""
    import urllib.request

    def work() -> None:
        with urllib.request.urlopen(facts["url"]) as answer:
            Path(facts["to"]).write_bytes(answer.read())

    return measured(work)


def threads_down(facts: Facts) -> dict[str, float]:
    """Five threads with a plain GET each; the addresses are given to them."""
    import urllib.request

    def get(url: str) -> int:
        with urllib.request.urlopen(url) as answer:
            return len(answer.read())

    def work() -> None:
        with ThreadPoolExecutor(5) as pool:
            assert sum(pool.map(get, facts["urls"])) == facts["bytes"]

    return measured(work)


def touched(size: int) -> None:
    """Have the machine's free memory be there, by using so many bytes of it in another process for a moment."""
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        size = min(size, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    code = f"import mmap; memory = mmap.mmap(-1, {size}); [memory.__setitem__(at, 1) for at in range(0, {size}, 4096)]"
    subprocess.run([sys.executable, "-c", code], check=True)


# the tables -----------------------------------------------------------------------------------------------------


class Bench:
    """Runs measurements and prints them."""

    def __init__(self, server: Server, published: str, rounds: int, folder: Path) -> None:
        self.server = server
        self.published = published
        self.rounds = rounds
        self.folder = folder

    def run(self, name: str, facts: Facts) -> dict[str, float]:
        """One measurement."""
        theirs = name.startswith("theirs")
        answer = subprocess.run(
            [self.published if theirs else sys.executable, "-W", "ignore", __file__, "--run", name],
            input=json.dumps({"key_file": self.server.key_file, "api_url": self.server.api_url, **facts}),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**(os.environ if theirs else ours()), "MOVESHELF_STATE_DIR": str(self.folder / "state")},
        )
        if answer.returncode:
            raise SystemExit(f"{name} failed:\n{answer.stderr}")
        found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
        return found

    def compare(
        self, title: str, size: int, rows: list[tuple[str, str, Callable[[], Facts]]], touch: int = 0
    ) -> None:
        """Rows are a label, a function, and what it gets each time; the first is what the others are held against.

        `touch`: bytes of memory to have ready before each.
        """
        taken: dict[str, list[dict[str, float]]] = {label: [] for label, _, _ in rows}
        for turn in range(self.rounds):
            # each comes first at times: the second finds everything warm
            for label, name, facts in rows[::-1] if turn % 2 else rows:
                given = facts()
                if touch:
                    touched(touch)
                taken[label].append(self.run(name, given))
        seconds = {
            label: statistics.median(one["seconds"] for one in found) for label, found in taken.items()
        }
        lines = [
            [
                label,
                f"{seconds[label]:.2f}",
                f"{size / 1e6 / seconds[label]:.0f}",
                f"{max(one['memory'] for one in found) / 2**20:.0f}",
                f"{seconds[rows[0][0]] / seconds[label]:.2f}",
            ]
            for label, found in taken.items()
        ]
        print("\n" + table([title, "seconds", "MB/s", "MiB more", "times"], lines), flush=True)


class Scene:
    """What is in the sandbox for a measurement."""

    def __init__(self, bench: Bench) -> None:
        import moveshelf

        self.bench = bench
        self.ms = moveshelf.connect(bench.server.key_file, bench.server.api_url)
        self.count = 0

    def project(self, **shape: int) -> str:
        """A new project; its name."""
        self.count += 1
        shape = {"subjects": 0, "sessions": 0, "clips": 0, "files": 0, **shape}
        name = self.bench.server.ask(do="generate", name=f"bench/{self.count}", **shape)
        return str(name)

    def clips(self, project: str) -> list[Any]:
        found = self.ms.project(self.bench.server.id_of(project))
        found.load("subjects.sessions.clips.files")
        return [one for subject in found.subjects for session in subject.sessions for one in session.clips]

    def urls(self, ids: list[str]) -> list[str]:
        """Signed addresses to read from."""
        query = "query Url($id: ID!) { node(id: $id) { ... on AdditionalData { originalDataDownloadUri } } }"
        return [self.ms.execute(query, {"id": one})["node"]["originalDataDownloadUri"] for one in ids]

    def target(self, clip: str) -> str:
        """A signed address to write to."""
        query = (
            "mutation Add($i: CreateAdditionalDataInput) { createAdditionalData(input: $i) { uploadUrl } }"
        )
        made = {"clipId": clip, "dataType": "raw", "filename": "plain.bin", "clientId": "1"}
        return str(self.ms.execute(query, {"i": made})["createAdditionalData"]["uploadUrl"])

    def empty(self, clip: Any) -> None:
        """Delete the files of a clip."""
        for file in clip.refresh().files:
            self.ms.execute("mutation Drop($i: ID!) { deleteAdditionalData(id: $i) { ok } }", {"i": file.id})


def large(bench: Bench, scene: Scene, megabytes: int) -> None:
    """One large file, up and down."""
    folder = bench.folder
    path = folder / "large.bin"
    block = os.urandom((1 << 20) - 8)
    with open(path, "wb") as stream:
        for number in range(megabytes):
            stream.write(number.to_bytes(8, "big") + block)
    size = path.stat().st_size
    project = scene.project(subjects=1, sessions=1, clips=1)
    (clip,) = scene.clips(project)

    def fresh(url: bool = False) -> Facts:
        scene.empty(clip)
        facts = {"jobs": [(clip.id, str(path), "large.bin")], "clip": clip.id, "path": str(path)}
        return {**facts, "url": scene.target(clip.id)} if url else facts

    bench.compare(
        f"{megabytes} MiB up",
        size,
        [
            ("published client", "theirs_up", fresh),
            ("ours: clip.upload", "ours_up", fresh),
            ("limit: PUT without a checksum", "plain_up", lambda: fresh(url=True)),
        ],
        touch=4 * size,
    )
    scene.empty(clip)
    clip.upload(path)
    (file,) = clip.refresh().files
    path.unlink()

    def away(**more: Any) -> Facts:
        shutil.rmtree(folder / "to", ignore_errors=True)
        (folder / "saved.bin").unlink(missing_ok=True)
        return {"project": project, "bytes": size, "to": str(folder / "to"), **more}

    def plain() -> Facts:
        return away(url=scene.urls([file.id])[0], to=str(folder / "saved.bin"))

    bench.compare(
        f"{megabytes} MiB down",
        size,
        [
            ("plain GET, urllib, all into memory", "urllib_down", plain),
            ("plain GET, requests, all into memory", "requests_down", plain),
            ("plain GET, urllib, then written", "saved_down", plain),
            ("ours: download, verified, on the disk", "ours_down", away),
        ],
        touch=4 * size,
    )
    away()
    scene.empty(clip)


def many(bench: Bench, scene: Scene, count: int, latency: float) -> None:
    """Many small files, up and down."""
    tree = bench.folder / "tree"
    paths = []
    for number in range(count):
        trial = f"T{number // 5 % 20}_f{number % 5}.bin"
        path = tree / f"S{number // 100}" / "2024-01-02" / "Barefoot" / trial
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL))
        paths.append(path)

    def loop() -> Facts:
        clips = scene.clips(scene.project(subjects=5, sessions=1, clips=20))
        jobs = [
            (clips[number // 5 % len(clips)].id, str(path), path.name) for number, path in enumerate(paths)
        ]
        return {"jobs": jobs}

    sent = ""

    def new() -> Facts:
        nonlocal sent
        sent = scene.project()
        return {"project": sent, "folder": str(tree)}

    bench.server.ask(do="latency", seconds=latency)
    size = SMALL * count
    title = f"{count} files of 100 kB, {latency * 1000:g} ms"
    bench.compare(
        f"{title}, up",
        size,
        [
            ("published client, a loop over ready clips", "theirs_up", loop),
            ("ours: upload_tree, makes the clips too", "ours_tree_up", new),
        ],
    )
    ids = [file.id for clip in scene.clips(sent) for file in clip.files]
    assert len(ids) == count

    def away() -> Facts:
        # a new folder each time: some systems look long for a place for what is made where much was just deleted
        return {"project": sent, "to": tempfile.mkdtemp(dir=bench.folder, prefix="to-")}

    bench.server.ask(do="latency", seconds=0)
    urls = scene.urls(ids)
    bench.server.ask(do="latency", seconds=latency)
    bench.compare(
        f"{title}, down",
        size,
        [
            (
                "five threads, plain GETs, addresses given",
                "threads_down",
                lambda: {"urls": urls, "bytes": size},
            ),
            ("ours: project.download, lists them too", "ours_down", away),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file; 0 leaves it out")
    parser.add_argument("--files", type=int, default=500, help="of 100 kB; 0 leaves them out")
    parser.add_argument(
        "--latency", type=float, default=0.02, metavar="S", help="of every answer to the many"
    )
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many")
    parser.add_argument("--published", metavar="PYTHON", help=f"an interpreter with moveshelf-api {VERSION}")
    options = parser.parse_args()
    if options.run:
        facts = json.load(sys.stdin)
        print(json.dumps(globals()[options.run](facts)))
        return
    sys.path.insert(0, ours()["PYTHONPATH"].split(os.pathsep)[0])
    published = options.published or published_python()
    with tempfile.TemporaryDirectory(prefix="moveshelf-benchmark-") as name, Server() as server:
        bench = Bench(server, published, options.rounds, Path(name))
        scene = Scene(bench)
        if options.size:
            large(bench, scene, options.size)
        if options.files:
            many(bench, scene, options.files, options.latency)
        scene.ms.close()


if __name__ == "__main__":
    main()
