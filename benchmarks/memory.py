"""How much memory DEC takes for each byte of data, beside ClustPy's DEC.

    make rivals-env
    OMP_NUM_THREADS=1 python benchmarks/memory.py --data FOLDER \
        --rivals-python .venv-rivals/bin/python

2,000 and 30,000 images of MNIST as float32 rows, ClustPy's network, one epoch of pretraining and
one of clustering; each fit in a process of its own. What a process takes in any case (libraries,
weights, state of Adam) is the same for both sizes, so the growth between them is that of the data.
Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SIZES = [2_000, 30_000]
METHODS = ["DEC, ClustPy's network", "ClustPy DEC"]


def fit(method: str, file: Path) -> None:
    """Fit one estimator to the array in a file; write what memory it took, as JSON."""
    from rival_fit import clustpy, memory, ours

    X = np.load(file)
    if method == METHODS[0]:
        network = {"encoder": "mlp:500-500-2000", "embedding_dim": 10, "batch_size": 256}
        steps = -(-len(X) // 256)
        model = ours("DEC", pretrain_epochs=1, max_iter=steps, random_state=0, **network)
    else:
        model = clustpy(
            "DEC", n_clusters=10, pretrain_epochs=1, clustering_epochs=1, random_state=0
        )
    before = memory("VmRSS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an epoch is not enough
        model.fit(X)
    found = {"before_mib": before, "peak_mib": memory("VmHWM"), "data_mib": X.nbytes / 2**20}
    print(json.dumps(found))


def measure(method: str, X: np.ndarray, python: str) -> dict[str, Any]:
    """What `fit` says in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, X)
        command = [python, __file__, "--fit", method, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rivals-python", help="interpreter that has ClustPy")
    parser.add_argument("--fit", nargs=2, metavar=("METHOD", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fit:
        fit(args.fit[0], Path(args.fit[1]))
        return
    from common import load_set, record, recorded
    from rivals import standardised_rows

    done = [(row["method"], row["n"]) for row in recorded("memory")]
    X = standardised_rows(load_set("mnist", args.data)[0][: SIZES[-1]])
    for method, python in zip(METHODS, (sys.executable, args.rivals_python), strict=True):
        for n in SIZES:
            if (method, n) not in done:
                record("memory", method=method, n=n, **measure(method, X[:n], python))


if __name__ == "__main__":
    main()
