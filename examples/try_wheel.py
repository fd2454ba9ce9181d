"""Try an installed package: a folder of digits becomes a page, and new images get clusters.

python examples/try_wheel.py NEW_FOLDER
"""

import subprocess
import sys
from pathlib import Path

import skdeepclust
from skdeepclust.datasets import make_digits_folder

folder = Path(sys.argv[1])
make_digits_folder(folder / "digits")
command = [sys.executable, "-m", "skdeepclust"]
options = ["-k", "10", "--method", "kmeans", "--encoder", "pixels"]
options += ["--out", str(folder / "out"), "--quiet"]
subprocess.run([*command, "cluster", str(folder / "digits"), *options], check=True)
assert (folder / "out" / "report.html").stat().st_size > 100_000
some, table = folder / "digits" / "3", folder / "new.csv"
subprocess.run(
    [*command, "predict", str(folder / "out"), str(some), "--to", str(table)], check=True
)
assert len(table.read_text(encoding="utf-8").splitlines()) > 100
print(f"{Path(skdeepclust.__file__).parent} works: skdeepclust {skdeepclust.__version__}")
