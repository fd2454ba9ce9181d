"""Draw docs/images/two_moons.png: k-means and SeCuClustering on moons and circles, at defaults.

python docs/draw_two_moons.py
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import make_circles, make_moons

from skdeepclust import SeCuClustering
from skdeepclust.metrics import clustering_accuracy

FILE = Path(__file__).parent / "images" / "two_moons.png"
INK = "#8a8a8a"  # readable on white and on black
COLOURS = ("#3f90da", "#e08a1e")
DATA = (
    make_moons(1000, noise=0.05, random_state=0),
    make_circles(1000, noise=0.05, factor=0.5, random_state=0),
)


def main() -> None:
    """Fit both to both, and draw the four pictures."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = iter(figure.subplots(1, 4))
    for X, y in DATA:
        for estimator in (KMeans(2, n_init=10, random_state=0), SeCuClustering(2, random_state=0)):
            labels = estimator.fit_predict(X)
            accuracy = clustering_accuracy(y, labels)
            name = type(estimator).__name__
            print(name, round(accuracy, 3))
            ax = next(axes)
            top = labels[X[:, 1].argmax()]  # the top has one colour in all pictures
            ax.scatter(*X.T, s=3, c=[COLOURS[int(label != top)] for label in labels])
            ax.set_title(f"{name}: {accuracy:.0%}", color=INK, fontsize=11)
            ax.set_aspect("equal")
            ax.set_axis_off()
    figure.savefig(FILE, dpi=150, transparent=True)


if __name__ == "__main__":
    main()
