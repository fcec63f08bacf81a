"""The curves of a whole project, read and found by the workers of a Dask cluster; here one of two processes.

moveshelf sandbox --demo --path practice        (in another terminal)
export MOVESHELF_API_KEY_FILE="$PWD/practice/mvshlf-api-key.json"
pip install 'dask[distributed]'
cd examples && python cluster.py
"""

from __future__ import annotations

import sys

from dask.distributed import Client, LocalCluster

import moveshelf


def main(name: str = "lab/demo") -> None:
    # each worker uses a key of its own, which it finds as this program does: none is sent to it
    with (
        moveshelf.connect() as ms,
        LocalCluster(n_workers=2, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        curves = ms.projects[name].cycles("angles", executor=client.get_executor())
    knee = curves.sel(channel="knee_flexion").max("percent").groupby("condition").mean()
    print(curves.sizes["stride"], "strides; greatest knee flexion by condition:")
    print(knee.round(1).to_series().to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
