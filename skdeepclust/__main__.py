"""``python -m skdeepclust``."""

import os
import sys

# Read once, when torch loads its OpenMP: idle threads that spin slow down everything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from skdeepclust.cli import main

if __name__ == "__main__":
    sys.exit(main())
