"""How much memory DEC takes for each byte of data, beside ClustPy's DEC.

    make rivals-env
    OMP_NUM_THREADS=1 python benchmarks/memory.py --data FOLDER \
        --rivals-python .venv-rivals/bin/python

2,000 and 30,000 images of MNIST as float32 rows, ClustPy's network, one epoch of pretraining and
one of clustering; each fit in a process of its own (rival_fit.py). What a process takes in any case
(libraries, weights, state of Adam) is the same for both sizes, so the growth between them is that
of the data. Rows already in results/ are not run again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import load_set, record, recorded
from rival_fit import ONE_EPOCH
from rivals import fit_apart, standardised_rows

SIZES = [2_000, 30_000]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rivals-python", required=True, help="interpreter that has ClustPy")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=900, help="CPU seconds of a fit")
    args = parser.parse_args()
    done = [(row["method"], row["n"]) for row in recorded("memory")]
    X = standardised_rows(load_set("mnist", args.data)[0][: SIZES[-1]])
    for method in ONE_EPOCH:
        for n in SIZES:
            if (method, n) not in done:
                row, _ = fit_apart(method, X[:n], X[:0], 10, 0, args)
                record("memory", method=method, n=n, **row, fit_threads=args.threads)


if __name__ == "__main__":
    main()
