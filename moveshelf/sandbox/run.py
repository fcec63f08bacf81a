"""A sandbox in the foreground of a shell."""

from __future__ import annotations

import argparse
import gc
import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .server import Sandbox


def serve(
    path: str | Path | None = None,
    port: int = 0,
    demo: bool = False,
    latency: float = 0.0,
    per_object: float = 0.0,
    *,
    as_json: bool = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM. Prints the URL and the line that connects; `as_json` prints both as JSON."""
    stop = threading.Event()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM):
            before[name] = signal.signal(name, lambda *_: stop.set())
    try:
        with Sandbox(path, demo=demo, port=port, latency=latency, per_object=per_object) as sandbox:
            if as_json:
                facts = {"api_url": sandbox.api_url, "api_key": sandbox.api_key, "key_file": sandbox.key_file}
                print(json.dumps({**facts, "path": str(sandbox.path)}), flush=True)
            else:
                print(f"Moveshelf sandbox at {sandbox.api_url}, data in {sandbox.path}")
                print("In Python:")
                print("    import moveshelf")
                print(f"    ms = moveshelf.connect({sandbox.key_file!r}, api_url={sandbox.api_url!r})")
                print("Ctrl-C stops it.", flush=True)
            # in slices: a wait without end keeps Windows from noticing Ctrl-C
            while not stop.wait(0.5):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m moveshelf.sandbox`."""
    parser = argparse.ArgumentParser(
        prog="python -m moveshelf.sandbox", description="Serve a local Moveshelf."
    )
    parser.add_argument("--path", help="keep the data in this folder (default: a temporary one)")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--demo", action="store_true", help="with the projects lab/demo and lab/study")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="S", help="seconds that every response takes"
    )
    parser.add_argument(
        "--per-object", type=float, default=0.0, metavar="S", help="and for each object in it"
    )
    parser.add_argument("--json", action="store_true", help="print URL and key as one line of JSON")
    options = parser.parse_args(arguments)
    gc.set_threshold(
        50_000, 20, 100
    )  # rows live as long as the server: no need to go through them all the time
    serve(
        options.path,
        options.port,
        options.demo,
        options.latency,
        options.per_object,
        as_json=options.json,
    )
