"""Write what was measured into the documentation, so that no figure there goes stale.

    python benchmarks/write_pages.py

Between the two marks, README.md gets the table of rivals, docs/methods/NAME.md the rows of that
method, docs/profiles.md the profiles, docs/scale.md how time and memory grow.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from common import HERE, recorded
from write_results import (
    Row,
    grouped,
    growth,
    growth_neighbors,
    profiles,
    rows_on_features,
    spread,
    table,
)

BEGIN, END = "<!-- measured, by benchmarks/write_pages.py -->", "<!-- end of measured -->"
HEAD = ["data", "setting", "seeds", "ACC %", "NMI %", "ARI %", "fits that warned", "CPU s"]
COMPARED = {  # columns of README, and their sets
    "digits": "digits",
    "10,000 of MNIST": "mnist10k",
    "10,000 photos of CIFAR-10, as features": "cifar10",
}
HERE_PICKS = {"digits": "SeCu", "mnist10k": "DEC", "cifar10": "FeatureClustering"}
OTHERS = ("UMAP + k-means", "UMAP + HDBSCAN", "ClustPy DEC", "k-means")
WHOLE_SETS = "All samples of each set; `NAME10k`: its 10 000 test images."


def with_setting(rows: Iterable[Row], *, keep: tuple[str, ...]) -> list[Row]:
    """Rows of some methods, each with the words that tell it from the others."""
    found = []
    for row in rows:
        if row["method"].startswith(keep):
            schedule = f"{row['schedule']} schedule: " if "schedule" in row else ""
            options = f", {row['params']}" if row.get("params") else ""
            found.append(row | {"setting": f"{schedule}{row['method']}{options}"})
    return found


def pages() -> dict[str, list[Row]]:
    """Rows for each page, in the order in which it shows them."""
    quality = recorded("quality")
    start = ("AE + k-means",)
    found = {
        "decs": with_setting(quality, keep=("DECS", *start)),
        "dec": with_setting([r for r in quality if r["method"] == "DEC"], keep=("DEC",)),
        "idec": with_setting(quality, keep=("IDEC",)),
        "secu": with_setting(
            [r for r in recorded("secu") if r["part"] != "parts"],
            keep=("k-means", "SeCu", "entropy", "size"),
        ),
        "hadis": with_setting(recorded("hadis"), keep=("k-means", "HaDis", "without")),
    }
    for name in ("CC", "CDC", "SCAN", "TCL"):
        rows = [r for r in recorded("defaults") if r["method"] == name]
        found[name.lower()] = with_setting(rows, keep=(name,))
    return found


def baselines() -> list[Row]:
    """k-means on each set."""
    plain = [r for r in recorded("quality") if r["method"] == "k-means on pixels"]
    tables = [r for r in recorded("hadis") if r["method"] == "k-means" and r["data"] != "digits"]
    return [r | {"setting": "k-means on the input"} for r in (*plain, *tables)]


def measured(rows: list[Row]) -> str:
    """The table of one page, k-means on the same sets first."""
    names = {r["data"] for r in rows} - {r["data"] for r in rows if r["method"] == "k-means"}
    rows = sorted([r for r in baselines() if r["data"] in names] + rows, key=lambda r: r["data"])
    lines = [
        [
            *key,
            str(len(group)),
            *(spread(r[score] for r in group) for score in ("ACC", "NMI", "ARI")),
            str(sum(bool(r["warnings"]) for r in group)),
            f"{sum(r['cpu'] for r in group) / len(group):.0f}",
        ]
        for key, group in grouped(rows, lambda r: (r["data"], r["setting"])).items()
    ]
    return f"{WHOLE_SETS} Commands and commits: `benchmarks/RESULTS.md`.\n\n{table(HEAD, lines)}"


def beside_others() -> str:
    """Accuracy and seconds of what a user would pick, on three sets."""
    rivals = [r for r in recorded("rivals") if "failed" not in r and not r["held_out"]]
    known = {(r["data"], r["method"]) for r in rivals}
    told = {"UMAP + k-means", "k-means", *HERE_PICKS.values()}  # who are told the number of classes
    others = [
        r
        for r in rows_on_features()
        if r["method"] in told and (r["data"], r["method"]) not in known
    ]
    found = grouped([*rivals, *others], lambda r: (r["data"], r["method"]))

    def cell(data: str, method: str) -> str:
        rows = found.get((data, method))
        if rows is None:
            return ""
        return f"{100 * mean(r['ACC'] for r in rows):.1f}, {mean(r['cpu'] for r in rows):.0f} s"

    lines = [["here", *(f"{pick} {cell(data, pick)}" for data, pick in HERE_PICKS.items())]]
    lines += [[name, *(cell(data, name) for data in COMPARED.values())] for name in OTHERS]
    return table(["", *COMPARED], lines)


def insert(page: Path, text: str) -> None:
    """Replace what stands between the marks."""
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


def main() -> None:
    docs = HERE.parent / "docs"
    insert(HERE.parent / "README.md", beside_others())
    for name, rows in pages().items():
        insert(docs / "methods" / f"{name}.md", measured(rows))
    insert(docs / "profiles.md", profiles().partition("\n")[2])  # without its title
    insert(
        docs / "scale.md", growth().partition("\n")[2] + growth_neighbors().replace("## ", "### ")
    )


if __name__ == "__main__":
    main()
