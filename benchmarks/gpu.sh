#!/usr/bin/env bash
# All that is to be known of a GPU, in ten minutes; see gpu.py. The package need not be installed,
# only what it depends on (torch, scikit-learn and what comes with them):
#     benchmarks/gpu.sh --data FOLDER --seconds 540
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE
exec "${PYTHON:-python3}" benchmarks/gpu.py "$@"
