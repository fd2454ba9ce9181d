"""What the words on the page mean, for whoever points at them."""

from __future__ import annotations

from collections.abc import Iterable

from ... import methods
from ...base.estimator import ESTIMATORS

TERMS = {
    "ACC": "Accuracy: the share of images whose cluster is that of their class, after the best "
    "one-to-one match of clusters to classes. 1 is perfect.",
    "NMI": "Normalised mutual information: how much clusters tell about classes and classes about "
    "clusters. 0 is nothing, 1 the same groups.",
    "ARI": "Adjusted Rand index: pairs of images on which clusters and classes agree, less what "
    "chance would give. 0 is chance, 1 the same groups.",
    "confidence": "The probability that the network itself gives to the cluster of an image. It "
    "is not calibrated: of images at 0.95, far fewer than 95 % may be in the right cluster.",
    "neighbours": "Share of the ten nearest neighbours of an image that lie in its cluster, less "
    "what chance would give. 0 is chance, 1 all of them.",
    "agreement": "Adjusted Rand index with these clusters. 0 is chance, 1 the same groups.",
    "k-means": "Each image goes to the nearest of as many centres; no training. A method that "
    "finds no more than this was not worth its time.",
}

# Keys of the page, and what they do: what is said of them in its help.
HELP = (
    (
        "Select images",
        (
            (("Ctrl", "click"), "one more, or one less; so does the tick in its corner"),
            (("Shift", "click"), "all from the last one to this one"),
            (("Space",), "the image under the cursor; Shift with arrows selects a range"),
            (("Ctrl", "A"), "all that the filter finds, or all of the cluster"),
            (("L",), "lasso on the map; dragging with Shift is one, too"),
            (("V",), "on the map: all that are in view"),
            (("Esc",), "none"),
        ),
    ),
    (
        "Decide on images",
        (
            (("M",), "move them to a cluster"),
            (("N",), "make a new cluster of them"),
            (("X",), "not here: they leave their cluster, and are unclustered"),
        ),
    ),
    (
        "Decide on a cluster",
        (
            (("A",), "accept it, or open it again"),
            (("R",), "name it"),
            (("J",), "merge it into another one"),
            (("S",), "split it in two"),
        ),
    ),
    (
        "Everywhere",
        (
            (("Ctrl", "Z"), "undo"),
            (("Ctrl", "Shift", "Z"), "do it again"),
            (("Ctrl", "S"), "save decisions.json"),
            (("[", "]"), "previous and next cluster"),
            (("/",), "search"),
            (("Enter",), "open the image under the cursor"),
            (("?",), "this help"),
        ),
    ),
)


def meanings(facts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every term with its meaning, and the method that the facts name, if it is one of ours."""
    methods.import_all()  # a page of an earlier result may be all that is asked for
    titles = {name.removesuffix("Clustering").lower(): name for name in ESTIMATORS}
    found = dict(TERMS)
    for name, value in facts:
        if name == "method" and value in titles:
            found[value] = (ESTIMATORS[titles[value]].__doc__ or "").partition("\n")[0]
    return found
