"""Write RESULTS.md from the JSON lines in results/: every figure there comes from a run.

python benchmarks/write_results.py
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import mean, pstdev
from typing import Any

from common import HERE, recorded
from scipy.stats import linregress, spearmanr

Row = dict[str, Any]
SCORES = ["silhouette", "seed_stability", "split_stability", "consensus", "own_silhouette"]

INTRODUCTION = """# Measured results

Written by `benchmarks/write_results.py` from the JSON lines in `benchmarks/results/`, which hold
the command, commit, versions and machine of every run. Labels only score: none enters a fit or
picks an epoch or a seed. The defaults of DECS (clean targets, balance weight 1, no augmentation
while clustering) were settled in trials on digits and USPS whose scores were seen, so for these
two the tables are not an unbiased estimate; MNIST and Fashion-MNIST played no part. `±` is the
population standard deviation over seeds. CPU seconds are of one thread and include pretraining;
the machine was busy with other runs, so compare ratios within a table. `FOLDER` and `CACHE` in the
commands stand for where the data lay; `+changes` behind a commit means that files of the package
differed from it. Where rows of DEC, IDEC and DECS are older than 2026-11-30, each cluster had one
prototype, vectors had longer pretraining at a constant rate, and DECS had `alpha=0.5` and
`clustering_lr=0.001`. The commit of "Killed and resumed" was set by hand: it ran from a copy of
that commit after a later one had been made.
"""


def spread(values: Iterable[float], scale: float = 100, digits: int = 1) -> str:
    """``mean ± sd``."""
    scaled = [scale * v for v in values]
    text = f"{mean(scaled):.{digits}f}"
    return f"{text} ± {pstdev(scaled):.{digits}f}" if len(scaled) > 1 else text


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by key, in order of appearance."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def table(head: list[str], lines: Iterable[list[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def provenance(rows: list[Row]) -> str:
    """Commands, commits and machines of the rows."""

    def distinct(name: str) -> str:
        return ", ".join(f"`{v}`" for v in dict.fromkeys(str(r[name]) for r in rows))

    return (
        f"Commands: {distinct('command')}. Commits: {distinct('commit')}. Machine: "
        f"{distinct('machine')}, {distinct('threads')} thread; torch {distinct('torch')}, "
        f"scikit-learn {distinct('scikit-learn')}; {distinct('date')}.\n"
    )


def quality(rows: list[Row], title: str, text: str) -> str:
    """Methods side by side on each data set."""
    if not rows:
        return ""
    lines = []
    for data, of_data in grouped(rows, lambda r: r["data"]).items():
        for method, group in grouped(of_data, lambda r: r["method"]).items():
            lines.append(
                [
                    data,
                    method,
                    str(len(group)),
                    spread(r["ACC"] for r in group),
                    spread(r["NMI"] for r in group),
                    spread(r["ARI"] for r in group),
                    "/".join(str(r["clusters"]) for r in group),
                    str(sum(bool(r["warnings"]) for r in group)),
                    f"{mean(r['cpu'] for r in group):.0f}",
                ]
            )
    head = [
        "data",
        "method",
        "seeds",
        "ACC %",
        "NMI %",
        "ARI %",
        "clusters in use",
        "fits that warned",
        "CPU s",
    ]
    return f"## {title}\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def newest(
    rows: list[Row],
    key: tuple[str, ...],
    title: str,
    text: str,
    columns: dict[str, Callable[[Row], str]],
) -> str:
    """A section with the newest row of each ``key``: one column for each function of a row."""
    if not rows:
        return ""
    latest = list({tuple(row[name] for name in key): row for row in rows}.values())
    lines = [[cell(row) for cell in columns.values()] for row in latest]
    return f"## {title}\n\n{text}\n\n{table(list(columns), lines)}\n{provenance(latest)}\n"


def hadis_cifar10() -> str:
    return newest(
        [r for r in recorded("hadis_cifar10") if not r.get("plain")],
        ("encoder", "max_epochs", "seed", "epochs_done"),
        "HaDis on CIFAR-10, the paper's recipe",
        "After each stretch of training; the paper reports 93.0 ACC after 1000 epochs.",
        {
            "epochs": lambda r: f"{r['epochs_done']} of {r['max_epochs']}",
            "minutes": lambda r: f"{r['seconds_so_far'] / 60:.0f}",
            "images a second": lambda r: f"{r['images_per_second']:,.0f}",
            "share of the bfloat16 rate": lambda r: f"{r['share_of_bfloat16_rate']:.2f}",
            "memory, GiB": lambda r: f"{r['gigabytes']:.1f}",
            "ACC %": lambda r: f"{100 * r['ACC']:.1f}",
            "NMI %": lambda r: f"{100 * r['NMI']:.1f}",
            "ARI %": lambda r: f"{100 * r['ARI']:.1f}",
        },
    )


def overhead() -> str:
    return newest(
        recorded("overhead"),
        ("data",),
        "Overhead of the estimator",
        "One epoch of pretraining in float32 through the estimator (validated input, hooks, "
        "history) and through a hand-written torch loop with the same maths, in turns in one "
        "process. Target: at most 1.10.",
        {
            "data, network": lambda r: r["data"],
            "estimator, ms an epoch": lambda r: f"{r['estimator_ms']:.0f}",
            "bare torch loop": lambda r: f"{r['bare_loop_ms']:.0f}",
            "ratio of minima": lambda r: f"{r['ratio']:.3f}",
            "ratio of medians": lambda r: f"{r['ratio_of_medians']:.3f}",
        },
    )


def precision() -> str:
    return newest(
        recorded("precision"),
        ("encoder", "precision", "native"),
        "Number format",
        'Pretraining step on digits, batch 256. `precision="auto"` is bfloat16 only where the '
        "hardware multiplies it natively: elsewhere it is emulated and much slower.",
        {
            "network": lambda r: r["encoder"],
            "precision": lambda r: r["precision"],
            "native bfloat16": lambda r: "yes" if r["native"] else "no",
            "ms a step": lambda r: f"{r['step_ms']:.1f}",
            "epochs": lambda r: str(r["pretrain_epochs"]),
            "reconstruction loss": lambda r: f"{r['reconstruction']:.4f}",
            "ACC %": lambda r: f"{100 * r['ACC']:.1f}",
        },
    )


def embedding_speed() -> str:
    return newest(
        recorded("embedding_speed"),
        ("network",),
        "The network in the box",
        "EfficientNet-Lite0 with the same weights on 64 photos of 224 pixels, without decoding. "
        "`auto` is bfloat16 where that is native. Speed and cosine of features are relative to "
        "timm's at the batch size that suits it best.",
        {
            "network": lambda r: r["network"],
            "precision": lambda r: r["precision"],
            "ms an image": lambda r: f"{r['image_ms']:.1f}",
            "times timm": lambda r: f"{r['times_timm']:.2f}",
            "smallest cosine": lambda r: f"{r['smallest_cosine']:.4f}",
        },
    )


def profiles() -> str:
    return newest(
        recorded("profile"),
        ("data", "method", "phase"),
        "Where the time goes",
        "Epochs of each phase, with what happens between them, in the default precision: CPU time, "
        "and shares of the time of other epochs under torch's profiler. `outside` is Python, "
        "k-means of scikit-learn, and the profiler itself.",
        {
            "data": lambda r: r["data"],
            "method, phase": lambda r: f"{r['method']}, {r['phase']}",
            "CPU ms an epoch": lambda r: f"{r['epoch_ms']:.0f}",
            "ms a step": lambda r: f"{r['epoch_ms'] / r['steps']:.1f}",
            "operators": lambda r: ", ".join(
                f"{name.removeprefix('aten::')} {share:.0%}"
                for name, share in r["operators"].items()
            ),
        },
    )


def kmeans() -> str:
    return newest(
        recorded("kmeans"),
        ("task", "n", "k", "backend"),
        "k-means and nearest neighbours",
        "A Gaussian mixture in 256 dimensions. k-means: one start; faiss 20 iterations over all "
        "points from a random start; inertia relative to scikit-learn's. Neighbours: exact search; "
        "recall is the share of scikit-learn's neighbours.",
        {
            "task": lambda r: r["task"],
            "samples": lambda r: f"{r['n']:,}",
            "clusters or neighbours": lambda r: str(r["k"]),
            "by": lambda r: r["backend"],
            "CPU s": lambda r: f"{r['cpu']:.2f}",
            "inertia ratio or recall": lambda r: f"{r['ratio']:.4f}",
        },
    )


def augment() -> str:
    return newest(
        recorded("augment"),
        ("size", "engine"),
        "Augmentation",
        "The SimCLR set (crop, flip, colour jitter, grey) on 256 colour images, with parameters "
        "for each image; torchvision runs image by image, because it draws one set a call. In "
        "turns in one process, medians. Target: kornia at least 1.5 at 32 pixels, 1.3 at 96.",
        {
            "pixels": lambda r: str(r["size"]),
            "engine": lambda r: f"{r['engine']} {r['version']}",
            "ms a batch": lambda r: f"{r['ms']:.1f}",
            "time / ours": lambda r: f"{r['ratio']:.2f}",
        },
    )


def folder_costs() -> str:
    decoding = newest(
        recorded("folder_decoding"),
        ("images",),
        "Decoding a folder of images",
        "Reading and resizing to 64 x 64 beside a bare Pillow loop (`open`, `convert`, `resize`) "
        "in as many threads as there are cores, in turns, the best of five. Large JPEG files are "
        "decoded at a lower resolution by `read_images`. Target: a ratio of at least 0.9.",
        {
            "images": lambda r: r["images"],
            "CPU µs an image": lambda r: f"{r['ours_us']:.0f}",
            "bare loop": lambda r: f"{r['bare_us']:.0f}",
            "ratio": lambda r: f"{r['ratio']:.2f}",
            "ratio of wall times": lambda r: f"{r['ratio_wall']:.2f}",
        },
    )
    run = newest(
        recorded("folder_run"),
        ("n_images",),
        "A folder of 10 000 images",
        "3 000 JPEG files of Tiny-ImageNet and 7 000 PNG files of CIFAR-10, 20 clusters from "
        "scratch, one epoch of each phase (more epochs change neither memory nor the page). "
        "Targets: 1.5 GB, 30 MB, 3 s until the page can be used in headless Chromium.",
        {
            "images": lambda r: str(r["n_images"]),
            "resident memory, GB": lambda r: f"{r['gigabytes']:.2f}",
            "page, MB": lambda r: f"{r['page_mb']:.1f}",
            "opens in, s": lambda r: "-" if r["opening"] is None else f"{r['opening']:.1f}",
            "reading, s": lambda r: f"{r['read']:.0f}",
            "drawing, s": lambda r: f"{r['draw']:.0f}",
        },
    )
    killed = newest(
        recorded("folder_killed"),
        (),
        "Killed and resumed",
        "The same folder through a ResNet-18 at 32 pixels, killed (SIGKILL) while it computed "
        "features; `--resume` computed the missing ones only, and a third run with `--overwrite` "
        "none: its seconds are those of loading the network and hashing the files. Targets: no "
        "feature twice; a third run below a tenth of a whole first one, missed for a network as "
        "cheap as this.",
        {
            "features kept": lambda r: str(r["kept"]),
            "computed after": lambda r: str(r["computed_after"]),
            "embedding after, s": lambda r: f"{r['embed']:.1f}",
            "embedding in the third run, s": lambda r: f"{r['embed_again']:.1f}",
        },
    )
    return "\n".join(part for part in (decoding, run, killed) if part)


def folder_quality(rows: list[Row]) -> str:
    """Groups of two folders, by method."""
    if not rows:
        return ""
    lines = [
        [
            *names,
            str(len(group)),
            *(spread(r[score] for r in group) for score in ("ACC", "NMI", "ARI")),
        ]
        for names, group in grouped(rows, lambda r: (r["data"], r["method"])).items()
    ]
    head = ["folder", "method", "seeds", "ACC %", "NMI %", "ARI %"]
    text = (
        "`skdeepclust cluster`: digits at the defaults, the other folder with `--quick`. Its "
        "features come from a ShuffleNet (x0.5) that was trained for minutes, in place of "
        "pretrained weights, on the other five classes of Tiny-ImageNet and 98 of CIFAR-100. "
        "Targets: digits ACC 93; features far above k-means on pixels."
    )
    return f"## Groups from a folder\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def n_clusters() -> str:
    """How often each criterion came close to the true number, 10."""
    rows = recorded("n_clusters")
    if not rows:
        return ""
    lines = []
    for names, group in grouped(rows, lambda r: (r["data"], r["criterion"])).items():
        chosen = [r["n_clusters"] for r in group]
        close = sum(abs(k - 10) <= 1 for k in chosen)
        lines.append([*names, f"{close} of {len(chosen)}", ", ".join(map(str, chosen))])
    text = (
        "`select_n_clusters` among 2 to 20 on ten classes, a pretraining for each seed: the "
        "default one for digits, 10 epochs for the others. The size of a neighbourhood was "
        "settled on the embeddings of digits, of USPS and Fashion-MNIST with one seed, of MNIST "
        "with two, and on generated blobs. Target: within 1 of 10 for at least 8 of 10 seeds."
    )
    head = ["data", "criterion", "within 1 of 10", "chosen, by seed"]
    return f"## Number of clusters\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def search() -> str:
    return newest(
        recorded("search"),
        ("data",),
        "A search that pretrains once",
        "Six settings, three folds and the final fit, with and without `memory=`; both phases a "
        "twentieth of the default. Target: at most half of the CPU time, the same `cv_results_`.",
        {
            "data": lambda r: r["data"],
            "CPU s with memory": lambda r: f"{r['cpu_memory']:.0f}",
            "without": lambda r: f"{r['cpu_plain']:.0f}",
            "ratio": lambda r: f"{r['ratio']:.2f}",
            "same results": lambda r: "yes" if r["same_results"] else "no",
        },
    )


def scorers() -> str:
    """Rank correlation of each label-free score with ACC, over the settings of a data set."""
    rows = recorded("scorers")
    if not rows:
        return ""
    groups = grouped(rows, lambda r: r["data"])
    ranks = {name: [rank_correlation(group, s) for s in SCORES] for name, group in groups.items()}
    ranks["mean"] = [mean(column) for column in zip(*ranks.values(), strict=True)]
    lines = [
        [name, str(len(groups.get(name, rows))), *(f"{rank:+.2f}" for rank in line)]
        for name, line in ranks.items()
    ]
    text = (
        "Spearman's rank correlation with ACC over fits with different lengths, rates and numbers "
        "of clusters: 1 if the score orders them as ACC does, 0 if it tells nothing. "
        "`own_silhouette` is that of the model's own embedding. Fits that stepped back to the "
        "start of clustering share their labels, which consensus takes for agreement."
    )
    head = ["data", "fits", *SCORES]
    return f"## Scores without labels\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def rank_correlation(rows: list[Row], score: str) -> float:
    return float(spearmanr([r["ACC"] for r in rows], [r[score] for r in rows])[0])


def selective() -> str:
    """Each arm beside its base, and what becomes of the paper's two figures."""
    rows = recorded("selective_claims")
    if not rows:
        return ""
    lines = []
    for names, group in grouped(rows, lambda r: (r["data"], r["base"], r["arm"])).items():
        costs = beside_base(rows, group)
        lines.append(
            [
                ", ".join(names[:2]),
                names[2],
                str(len(group)),
                *(spread(r[score] for r in group) for score in ("ACC", "NMI", "ARI")),
                spread(map(mixed_average, group)),
                spread(costs["gain"]) if costs["gain"] and names[2] != "base" else "-",
                f"{mean(costs['samples']):.2f}" if costs["samples"] else "-",
                str(sum(bool(r["warnings"]) for r in group)),
                *(f"{mean(r[seconds] for r in group):.0f}" for seconds in ("cpu", "wall")),
                *faster(costs),
            ]
        )
    head = ["data, base", "arm", "seeds", "ACC %", "NMI %", "ARI %", "average %", "gain"]
    head += ["samples used", "fits that warned", "CPU s", "wall s", *FASTER]
    return (
        f"## Density weights and resting samples\n\n{SELECTIVE_TEXT}{encoders(rows)}\n\n"
        f"{table(head, lines)}\n{verdict(rows)}\n{provenance(rows)}\n"
    )


SELECTIVE_TEXT = (
    "Bases at their defaults, but for CC, SCAN and TCL, whose first 20 epochs only contrast "
    "samples (TCL: 60 epochs in all), so that prototypes are placed in a network that has learnt "
    "something, by k-means; SCAN and SeCu learn whole clusters, also of features, but for "
    '"SeCu, parts", which is the default; SeCu places '
    "prototypes before, so weights do nothing there, and warn. The arms: density"
    " weights, resting samples with the paper's values, both, and both with as many resting at "
    "random; and the defaults of `SelectiveClustering`, settled on digits with seed 0. Average: "
    "the mean of ACC, NMI and ARI, as in the paper's tables. Gain, in points of it, samples used "
    "(passes of a sample through a step) and speed: relative to the base with the same seed. "
    "Seconds are without pretraining an autoencoder, which arms share, and with measuring; the "
    "last column leaves out all pretraining. `benchmarks/selective.py` was the predecessor."
)
FASTER = ["times as fast, CPU", "wall", "CPU, clustering phases"]


def mixed_average(row: Row) -> float:
    """The mean of ACC, NMI and ARI."""
    return mean(row[score] for score in ("ACC", "NMI", "ARI"))


def beside_base(rows: list[Row], group: list[Row]) -> dict[str, list[float]]:
    """Of each row of a group: gain, share of samples and speed, where its base has been run."""
    names = ("data", "base", "seed")
    base = {tuple(r[n] for n in names): r for r in rows if r["arm"] == "base"}
    pairs = [(r, base[key]) for r in group if (key := tuple(r[n] for n in names)) in base]
    phases = [(r["clustering"], b["clustering"]) for r, b in pairs if "clustering" in {*r} & {*b}]
    return {
        "gain": [mixed_average(r) - mixed_average(b) for r, b in pairs],
        "samples": [r["samples"] / b["samples"] for r, b in pairs],
        FASTER[0]: [b["cpu"] / r["cpu"] for r, b in pairs],
        FASTER[1]: [b["wall"] / r["wall"] for r, b in pairs],
        FASTER[2]: [b["cpu"] / r["cpu"] for r, b in phases],
    }


def faster(costs: dict[str, list[float]]) -> list[str]:
    """Cells of the three ratios of speed."""
    return [f"{mean(costs[name]):.2f}" if costs[name] else "-" for name in FASTER]


def encoders(rows: list[Row]) -> str:
    """What the encoders of ready features have cost."""
    cost = {r["data"]: r["encoding_cpu"] / 60 for r in rows if r.get("encoding_cpu")}
    if not cost:
        return ""
    minutes = ", ".join(f"{name} {value:.1f}" for name, value in cost.items())
    return (
        " Ready features: 10 000 test images through one small encoder, SimCLR for 8 (CIFAR-10) or "
        f"10 epochs (MNIST), as much as a core does in some minutes ({minutes}); the paper's is a "
        "ResNet-34 after 1000 epochs."
    )


def verdict(rows: list[Row]) -> str:
    """The mean of an arm over bases, their seeds first, beside the paper's figures."""
    lines = []
    for (data, arm), group in grouped(rows, lambda r: (r["data"], r["arm"])).items():
        each = {
            of: costs
            for of, of_base in grouped(group, lambda r: r["base"]).items()
            if arm != "base" and (costs := beside_base(rows, of_base))["gain"]
        }
        if each:
            pooled = {
                name: [mean(costs[name]) for costs in each.values() if costs[name]]
                for name in ("gain", "samples", *FASTER)
            }
            of_cc = spread(each["CC"]["gain"]) if "CC" in each else "-"
            cells = [data, arm, str(len(each)), spread(pooled["gain"]), of_cc]
            lines.append([*cells, f"{mean(pooled['samples']):.2f}", *faster(pooled)])
    head = ["data", "arm", "bases", "gain, mean over bases", "gain of CC", "samples used", *FASTER]
    text = (
        "The verdict. The paper reports, as means over six sets of colour images, a gain in this "
        "average of 6.1 points for CC (60.8 to 66.9), 5.3 for TCL, 2.3 for SCAN and 1.1 for CDC, "
        "at about 1.3 times the speed. Measured here, `±` over bases (for CC: over seeds):"
    )
    return f"{text}\n\n{table(head, lines)}"


def cdc() -> str:
    """Accuracy and calibration of CDC beside what it builds on and SeCu."""
    rows = recorded("cdc")
    if not rows:
        return ""
    lines = []
    for names, group in grouped(rows, lambda r: (r["data"], r["method"])).items():
        believed = [r for r in group if r["ECE"] is not None]
        lines.append(
            [
                *names,
                str(len(group)),
                *(spread(r[score] for r in group) for score in ("ACC", "NMI", "ARI")),
                *(
                    spread((r[name] for r in believed), scale=1, digits=3) if believed else "-"
                    for name in ("ECE", "confidence")
                ),
                f"{mean(r['cpu'] for r in group):.0f}",
            ]
        )
    head = ["data", "method", "seeds", "ACC %", "NMI %", "ARI %", "ECE", "confidence", "CPU s"]
    text = (
        "Defaults. Features are those of a `SelfSupervisedEncoder`, one for each seed, whose "
        "seconds count. ECE: expected calibration error in 15 bins, once clusters are matched to "
        "classes; confidence: the mean of the largest probability, which for believable ones is "
        "the accuracy. The clustering head is the same fit without its calibration. Target: an ECE "
        "of at most 0.05 on features."
    )
    return (
        f"## CDC: probabilities that may be believed\n\n{text}\n\n{table(head, lines)}\n"
        f"{provenance(rows)}\n"
    )


def ratio(values: list[float]) -> str:
    return f"{mean(values):.2f}" if values else "-"


RIVALS_TEXT = (
    "Each at its defaults (UMAP: those of its documentation for clustering; HDBSCAN: clusters of "
    "at least a hundredth of the samples; spectral: the graph of neighbours), each fit in a "
    "process of its own. Other people's see rows scaled by one mean and one deviation, as "
    "ClustPy's authors do, ours see images. Memory: the process at its peak, and before the fit. "
    "New samples: a fit on four fifths, ACC on the rest, each cluster standing for its class in "
    "training. Samples that HDBSCAN calls noise are a cluster of their own. UMAP's seconds "
    "include compilation, some ten in each new process."
)


def rivals() -> str:
    rows = recorded("rivals")
    if not rows:
        return ""
    lines = [
        [*names, *rival(group)]
        for names, group in grouped(rows, lambda r: (r["data"], r["method"])).items()
    ]
    head = ["data", "method", "seeds", "ACC %", "NMI %", "ARI %", "clusters", "CPU s", "wall s"]
    head += ["peak (before), MiB", "predict = labels_", "ACC % of new samples", "fits that failed"]
    packages = sorted({f"{k} {v}" for r in rows for k, v in r.get("versions", {}).items()})
    return (
        f"## What a user would pick instead\n\n{RIVALS_TEXT}\n\n{table(head, lines)}\n"
        f"{', '.join(packages)}. {provenance(rows)}\n\n{like_clustpy(rows)}"
    )


def rival(group: list[Row]) -> list[str]:
    """Cells of one method on one data set."""
    done = [r for r in group if "failed" not in r and not r["held_out"]]
    new = [r["ACC_new"] for r in group if "ACC_new" in r]
    failed = [r["failed"] for r in group if "failed" in r]
    told = f"{len(failed)}: {'; '.join(dict.fromkeys(failed))}" if failed else "0"
    if not done:
        return ["0", *["-"] * 8, spread(new) if new else "-", told]

    def average(name: str, digits: int) -> str:
        return f"{mean(r[name] for r in done):.{digits}f}"

    noise = mean(r["noise"] for r in done)
    return [
        str(len(done)),
        *(spread(r[score] for r in done) for score in ("ACC", "NMI", "ARI")),
        "/".join(str(r["clusters"]) for r in done) + (f", {noise:.0%} noise" if noise else ""),
        average("cpu", 1),
        average("wall", 1),
        f"{average('peak_mib', 0)} ({average('before_mib', 0)})",
        average("agreement", 3) if "agreement" in done[0] else "-",
        spread(new) if new else "-",
        told,
    ]


def like_clustpy(rows: list[Row]) -> str:
    """DEC here beside ClustPy's, by the same network on the same rows."""
    done = [r for r in rows if "failed" not in r and not r["held_out"]]
    lines = []
    for data, of_data in grouped(done, lambda r: r["data"]).items():
        methods = grouped(of_data, lambda r: r["method"])
        theirs = methods.get("ClustPy DEC", [])
        for method, group in methods.items():
            if theirs and method.startswith(("ClustPy DEC", "DEC, ClustPy's")):
                cpu = mean(r["cpu"] for r in group)
                lines.append(
                    [
                        data,
                        method,
                        str(len(group)),
                        spread(r["ACC"] for r in group),
                        f"{cpu:.0f}",
                        f"{mean(r['cpu'] for r in theirs) / cpu:.1f}",
                    ]
                )
    if not lines:
        return ""
    head = ["data", "method", "seeds", "ACC %", "CPU s", "times as fast"]
    text = (
        "500-500-2000-10, batches of 256, at most 100 epochs of pretraining and 150 of clustering; "
        'DEC here stops once labels have settled, unless it says "all". Target: 4 times as fast.'
    )
    return f"## DEC at ClustPy's network and epochs\n\n{text}\n\n{table(head, lines)}\n"


def memory() -> str:
    """How much a fit takes beside the data, at two sizes, and for each byte of it."""
    rows = recorded("memory")
    if not rows:
        return ""
    lines = []
    for method, group in grouped(rows, lambda r: r["method"]).items():
        few, many = sorted(group, key=lambda r: r["n"])
        taken = [r["peak_mib"] - r["before_mib"] for r in (few, many)]
        growth = (taken[1] - taken[0]) / (many["data_mib"] - few["data_mib"])
        lines.append([method, *(f"{mib:.0f}" for mib in taken), f"{growth:.2f}"])
    sizes = {r["n"]: f"{r['n']:,} rows, {r['data_mib']:.0f} MiB" for r in rows}
    head = ["method", *(f"MiB for {sizes[n]}" for n in sorted(sizes)), "MiB for each MiB of data"]
    text = (
        "Peak of a process less what it held when the fit began, the data included, which is then "
        "the caller's. MNIST as float32 rows, ClustPy's network, an epoch of pretraining and one "
        "of clustering. Libraries that load while fitting, weights and the state of Adam are the "
        "same at both sizes. Target: at most 1.5 times the data."
    )
    return f"## Memory\n\n{text}\n\n{table(head, lines)}\n\n{provenance(rows)}\n"


def growth() -> str:
    """Seconds and memory of each method by the number of samples, and how fast they rise."""
    rows = recorded("growth")
    if not rows:
        return ""
    lines = []
    for method, group in grouped(rows, lambda r: r["method"]).items():
        done = sorted((r for r in group if "failed" not in r), key=lambda r: r["n"])
        exponent = f"{exponent_of(done):.2f}" if len(done) > 1 else "-"
        lines += [growth_line(r, exponent if r is done[-1] else "") for r in done]
        lines += [
            [method, f"{r['n']:,}", r["failed"], "", "", "", ""] for r in group if r not in done
        ]
    text = (
        "Ten Gaussian blobs of 64 float32 columns in a memory map; crops of 64 pixels for the "
        "embedder. Defaults, ten clusters, a process for each fit. Memory is what the process "
        "held for itself at most, less what it held when the fit began; pages of the memory map "
        "don't count. The exponent is that of CPU seconds in the number of samples, fitted to all "
        "sizes. Targets: 2,048 MiB and 1,800 CPU seconds at a million samples; an exponent of at "
        "most 1.1. The machine was busy with other work: wall times mean nothing. A size that is "
        "missing has not been run."
    )
    head = ["method", "samples", "CPU s", "MiB", "MiB of the process", "ARI", "exponent"]
    return f"## How it grows\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def growth_line(row: Row, exponent: str) -> list[str]:
    ari = f"{row['ARI']:.3f}" if "ARI" in row else "-"
    taken = f"{row['peak_mib'] - row['before_mib']:.0f}"
    cpu = f"{row['cpu']:.3g}" if row["cpu"] < 100 else f"{row['cpu']:.0f}"
    return [row["method"], f"{row['n']:,}", cpu, taken, f"{row['peak_mib']:.0f}", ari, exponent]


def exponent_of(rows: list[Row]) -> float:
    """Slope of the logarithm of CPU seconds by that of the number of samples."""
    n, cpu = ([math.log(row[name]) for row in rows] for name in ("n", "cpu"))
    return float(linregress(n, cpu).slope)


def growth_neighbors() -> str:
    return newest(
        recorded("growth_neighbors"),
        ("among", "n"),
        "Neighbours of a million samples",
        "The ten nearest others in the same blobs, one thread, for all samples or for those that a "
        "schedule draws. Recall: the share of the true ten. Same blob: the share of the neighbours "
        "found that come from the sample's own blob, which is what a method needs of them.",
        {
            "samples": lambda r: f"{r['n']:,}",
            "searched": lambda r: r["among"],
            "CPU s": lambda r: f"{r['cpu']:.1f}",
            "recall": lambda r: f"{r['recall']:.3f}",
            "same blob": lambda r: f"{r['same']:.4f}",
        },
    )


def threads() -> str:
    """The default number of threads beside one, alone and beside a busy process."""
    rows = recorded("threads")
    if not rows:
        return ""
    lines = []
    for names, group in grouped(rows, lambda r: (r["fit"], r["beside"])).items():
        of = grouped(group, lambda r: r["of"])
        wall, cpu = (
            {number: mean(r[clock] for r in of[number]) for number in ("1", "default")}
            for clock in ("wall", "cpu")
        )
        seconds = [
            f"{wall['1']:.1f}, {wall['default']:.1f}",
            f"{cpu['1']:.1f}, {cpu['default']:.1f}",
        ]
        ratios = [f"{clock['default'] / clock['1']:.2f}" for clock in (wall, cpu)]
        lines.append([*names, str(len(of["default"])), *seconds, *ratios])
    text = (
        "The same fit on one thread (`OMP_NUM_THREADS=1`) and on as many as torch takes by itself, "
        "each a process of its own, in turns; alone, and beside a process that keeps a core busy. "
        "Seconds: one thread, then the default, means of the rounds. Both have "
        "`OMP_WAIT_POLICY=PASSIVE`."
    )
    head = ["fit", "beside it", "rounds", "wall s", "CPU s", "wall of default / one", "CPU"]
    return f"## Threads\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def ranks() -> str:
    """A fit by one process, by two that share it, and by two that make it each."""
    rows = recorded("ranks")
    if not rows:
        return ""
    lines = []
    for fit, of_fit in grouped(rows, lambda r: r["fit"]).items():
        ways = grouped(of_fit, lambda r: r["by"])
        alone = ways["one process"]
        for way, group in ways.items():
            cells = [fit, way, str(len(group))]
            for clock in ("wall", "cpu"):
                seconds = mean(r[clock] for r in group)
                cells += [f"{seconds:.1f}", f"{seconds / mean(r[clock] for r in alone):.2f}"]
            lines.append(cells)
    text = (
        "One thread for each process, messages by gloo, after a short fit that loads what is "
        "needed. Wall seconds are those of the process that ends last, CPU seconds the mean of a "
        "process. Two that share nothing make the whole fit each, side by side: half of their wall "
        "seconds is what sharing could come to on that machine."
    )
    head = ["fit", "by", "rounds", "wall s", "relative to one", "CPU s of a process"]
    head += ["relative to one"]
    return f"## Two processes\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def page() -> str:
    """Size of the page, and how long it takes to open and to answer."""
    verbs = {
        "open": "open the page",
        "select": "select 10,000",
        "ask": "ask where to",
        "move": "move them",
        "undo": "undo that",
        "open a cluster": "open a cluster",
        "scroll": "scroll in it",
    }
    columns: dict[str, Callable[[Row], str]] = {
        "images": lambda r: f"{r['n']:,}",
        "file, MB": lambda r: f"{r['file_mb']:.0f}",
        "script's memory, MB": lambda r: f"{r['heap_mb']:.0f}",
    }
    for name, words in verbs.items():
        columns[f"{words}, s"] = lambda r, name=name: (
            f"{r['cpu_seconds'][name]:.2f} ({r['seconds'][name]:.2f})"
        )
    text = (
        "Headless Chromium on a synthetic result of 100 clusters, whose thumbnails are crops of "
        "photos. CPU seconds of the page's main thread, and in brackets those of the clock until "
        "the frame is drawn, on two cores that other runs kept busy (a load of 18); medians."
    )
    return newest(recorded("page"), ("n",), "The page with many images", text, columns)


def no_collapse() -> str:
    """How many fits went wrong, and how many of these without a warning."""
    rows = recorded("no_collapse")
    if not rows:
        return ""
    lines = []
    for (schedule, method, data), group in grouped(
        sorted(rows, key=lambda r: (r["schedule"], r["method"], r["data"])),
        lambda r: (r["schedule"], r["method"], r["data"]),
    ).items():
        lost = [r for r in group if r["clusters"] < r["k"]]
        below = [r for r in group if r["ACC"] < r["ACC_kmeans"] - noise_of(r)]
        lines.append(
            [
                schedule,
                method,
                data,
                str(len(group)),
                *(f"{len(bad)}, {silent(bad)}" for bad in (lost, below)),
                spread(r["ACC"] for r in group),
                spread(r["ACC_kmeans"] for r in group),
                f"{mean(r['smallest'] * r['k'] / r['n'] for r in group):.2f}",
                f"{mean(r['cpu'] for r in group):.1f}",
            ]
        )
    head = ["schedule", "method", "data", "fits", "lost a cluster, silently"]
    head += ["below k-means, silently", "ACC %", "ACC % of k-means", "smallest cluster", "CPU s"]
    text = (
        "Small sets, the defaults at about a fifth of their length (`short`) or whole. Below "
        "k-means: by more than two standard errors of the difference of two shares. Smallest "
        "cluster: its size relative to an equal share, mean over fits. Target: nothing silent."
    )
    return f"## Fits that go wrong\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def told_of_fits() -> str:
    """How often the check of a finished fit is wrong, on all kinds of data."""
    rows = recorded("no_collapse")
    lines = []
    for data, group in grouped(rows, lambda r: r["data"]).items():
        bad = [r for r in group if went_wrong(r)]
        good = [r for r in group if not went_wrong(r)]
        alarms = [r for r in good if any(not of_a_cloud(w) for w in r["warnings"])]
        looked = [r for r in group if "doubts" in r]  # earlier rows did not look
        clouds = [r for r in looked if any(map(of_a_cloud, r["warnings"]))]
        lines.append(
            [
                data,
                str(len(group)),
                f"{silent(bad)} of {len(bad)}",
                f"{len(alarms)} of {len(good)}",
                f"{len(clouds)} of {len(looked)}" if looked else "",
                spread(r["ACC"] for r in group),
            ]
        )
    head = ["data", "fits", "silent where it went wrong", "false alarms"]
    head += ["told that the data form no clusters", "ACC %"]
    text = (
        "All fits of the table above, by data. Wrong: a cluster was lost, or the accuracy is below "
        "that of k-means in the same space by more than two standard errors. A false alarm is a "
        "warning of any other fit about its sizes or neighbours. Thresholds may be chosen on sets "
        "with 60 of each class, and on the small ones; photos, features and texts with 60 to 6 are "
        "for reporting. Warnings are those of the commit of each fit. Where classes overlap, as in "
        "features of small photos and in texts, fits below k-means part no more neighbours than "
        "the true classes do: no limit tells them apart, and they are not told. Twenty-four other "
        "signs were tried on 133 such fits, alone and in pairs: kept neighbours, generalization, "
        "sizes, inertia, silhouette, modularity, agreement with k-means, Ward and spectral "
        "clusters. The best on the sets for choosing (k-means agrees with Ward and spectral "
        "clusters by 0.07 more, and has 0.06 more modularity in the neighbour graph) tells 17 in "
        "place of 10 of their 22 wrong fits for one false alarm, but on the others 20 in place of "
        "7 of 24 for 15 false alarms in place of one: 13 of these are below k-means, too, within "
        "noise. So it was not taken. These were trials, which no script repeats."
    )
    return f"## What is told of fits\n\n{text}\n\n{table(head, lines)}" if lines else ""


def of_a_cloud(warning: str) -> bool:
    """Whether it says that the data form no clusters."""
    return warning.startswith(("The pixels say little", "The data form"))


def went_wrong(row: Row) -> bool:
    """Whether clusters were lost, or the accuracy is below that of k-means."""
    return row["clusters"] < row["k"] or row["ACC"] < row["ACC_kmeans"] - noise_of(row)


def noise_of(row: Row) -> float:
    """Two standard errors of the difference of two accuracies near that of k-means."""
    share = row["ACC_kmeans"]
    return float(2 * (2 * share * (1 - share) / row["n"]) ** 0.5)


def silent(rows: list[Row]) -> int:
    return sum(not r["warnings"] for r in rows)


SECU_TEXT = {
    "quality": (
        "SeCu",
        "Defaults; all samples of each set. Batch size, network and epochs were settled in trials "
        "on digits, seeds 0 and 1, the parts of clusters on USPS, 10,000 images of MNIST and of "
        "Fashion-MNIST, seed 0; their scores were seen. The seconds of seed 0 on all but digits "
        "include scoring after each epoch; those of the curve do not.",
    ),
    "parts": (
        "What the parts of SeCu bring",
        "Digits, 40 epochs, one option changed at a time.",
    ),
    "imbalance": (
        "SeCu on tables, and its balance prior",
        "Standardised features, 40 epochs. Breast cancer has 357 and 212 samples in its classes, "
        "wine 59, 71 and 48.",
    ),
}


def secu() -> list[str]:
    rows = recorded("secu")
    sections = [
        quality([r for r in rows if r["part"] == part], title, text)
        for part, (title, text) in SECU_TEXT.items()
    ]
    curve = newest(
        recorded("secu_curve"),
        ("data", "seed", "phase", "steps"),
        "SeCu over time",
        "Scores at the end of each epoch; CPU seconds without the looking. While parts of clusters "
        "are learnt (phase cluster), of the groups that they would then be joined to.",
        {
            "data": lambda r: f"{r['data']}, seed {r['seed']}",
            "phase": lambda r: r["phase"],
            "batches": lambda r: str(r["steps"]),
            "CPU s": lambda r: f"{r['cpu']:.0f}",
            "ACC %": lambda r: f"{100 * r['ACC']:.1f}",
            "NMI %": lambda r: f"{100 * r['NMI']:.1f}",
        },
    )
    cost = newest(
        recorded("secu_cost"),
        ("what", "n", "batch_size", "n_clusters"),
        "Cost of SeCu",
        "Random vectors of 16 features, float32, one head, each row in a process of its own: the "
        "mean of 60 steps, and the peak of memory beyond interpreter, libraries and data.",
        {
            "varied": lambda r: r["what"],
            "samples": lambda r: f"{r['n']:,}",
            "batch size": lambda r: str(r["batch_size"]),
            "clusters": lambda r: str(r["n_clusters"]),
            "ms a step": lambda r: f"{r['step_ms']:.1f}",
            "peak, MiB": lambda r: f"{r['peak_beyond_data_mib']:.0f}",
        },
    )
    return [*sections, curve, cost]


ON_FEATURES = [
    "k-means",
    "k-means, 100 restarts",
    "Gaussian mixture",
    "UMAP + k-means",
    "NeighborEmbedding + k-means",
    "TURTLE",
    "FeatureClustering",
]


def rows_on_features() -> list[Row]:
    """Rows of choice.py that came to an end, and those of heads.py that they don't replace."""
    rows = [r for r in [*recorded("heads"), *recorded("choice")] if "ACC" in r]
    return list({(r["data"], r["method"], r["seed"]): r for r in rows}.values())


def heads() -> str:
    """Clusterings of ready features, side by side on each set."""
    rows = [r for r in rows_on_features() if r["method"] in ON_FEATURES]
    if not rows:
        return ""
    rows.sort(key=lambda r: ON_FEATURES.index(r["method"]))
    lines = [
        [
            data,
            method,
            str(len(group)),
            spread(r["ACC"] for r in group),
            spread(r["NMI"] for r in group),
            f"{mean(r['cpu'] for r in group):.1f}",
        ]
        for data, of_data in sorted(grouped(rows, lambda r: r["data"]).items())
        for method, group in grouped(of_data, lambda r: r["method"]).items()
    ]
    text = (
        "Features of the network in the box (photos), embeddings of MiniLM (20 Newsgroups) and "
        "rows of numbers. `_tail`: sizes fall to a twentieth; `_tail7`: so do others, in another "
        "order; `_two_levels`: half of the classes keep a tenth; `_dominant`: all but one keep an "
        "eighth. How sizes are told was settled on the sets without such an ending and on "
        "`_tail`, and later on the others, scores seen. CPU seconds come from a machine "
        "that was busy with other work. The rows of `heads.py` are older; `choice.py` takes the "
        "same sets and methods."
    )
    head = ["data", "method", "seeds", "ACC %", "NMI %", "CPU s"]
    return f"## Heads on ready features\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def choice() -> str:
    """Every clustering method on every set: accuracy and seconds."""
    rows = recorded("choice")
    if not rows:
        return ""
    text = (
        "Defaults of all methods, beside what people use instead. Each cell: ACC in percent, and "
        "CPU seconds. Features of the network in the box (photos), embeddings of MiniLM "
        "(newsgroups20_minilm), rows of pixels and tables; `_tail`: sizes fall to a twentieth. A "
        "dash is a fit that was given up, most of them after 300 CPU seconds. UMAP + HDBSCAN and "
        "HDBSCANClustering look for the number of clusters themselves. Tiny-ImageNet's classes "
        "are among those from which the network in the box has learnt."
    )
    of_set = grouped(rows, lambda r: r["data"])
    kinds = {
        "As they are": [s for s in of_set if not s.endswith("_tail")],
        "With a long tail": [s for s in of_set if s.endswith("_tail")],
    }
    tables = [
        f"### {kind}\n\n{side_by_side({s: of_set[s] for s in names}, accuracy_and_seconds)}"
        for kind, names in kinds.items()
        if names
    ]
    told = "\n".join(tables)
    return f"## All methods on all sets\n\n{text}\n\n{told}\n{provenance(rows)}\n"


def lengths() -> str:
    """Seconds and accuracy of the defaults, before training was shortened and after."""
    after = recorded("time_after")
    if not after:
        return ""
    measured = {(r["data"], r["method"]) for r in after}
    old = [r for r in recorded("time_before") if (r["data"], r["method"]) in measured]
    rows = [r | {"when": "before"} for r in old] + [r | {"when": "after"} for r in after]

    def cell(rows: list[Row]) -> str:
        return " → ".join(map(accuracy_and_seconds, grouped(rows, lambda r: r["when"]).values()))

    text = (
        "ACC in percent and CPU seconds in brackets, at the defaults, one thread, one seed: before "
        "training was shortened or made cheaper, and after. Timers stood around parts of the fits "
        "before. The least batch was settled on iris, by scores that were seen. The machine was "
        "busy, which makes CPU seconds up to twice those of an idle one."
    )
    told = side_by_side(grouped(rows, lambda r: r["data"]), cell)
    return f"## Time by method and set\n\n{text}\n\n{told}\n{provenance(rows)}\n"


def side_by_side(of_set: dict[str, list[Row]], cell: Callable[[list[Row]], str]) -> str:
    """A table with a line for each method, a column for each set."""
    methods = dict.fromkeys(r["method"] for rows in of_set.values() for r in rows)
    lines = [
        [method, *(cell([r for r in rows if r["method"] == method]) for rows in of_set.values())]
        for method in methods
    ]
    return table(["method", *of_set], lines)


def accuracy_and_seconds(rows: list[Row]) -> str:
    """Mean and spread of ACC, and mean CPU seconds in brackets; a dash if all were given up."""
    done = [r for r in rows if "ACC" in r]
    if not done:
        return "–" if rows else ""
    return f"{spread(r['ACC'] for r in done)} ({mean(r['cpu'] for r in done):.0f} s)"


def unclustered() -> str:
    """What is left in no cluster, and the accuracy of the rest."""

    def percent(name: str) -> Callable[[Row], str]:
        return lambda r: "" if r.get(name) is None else f"{100 * r[name]:.1f}"

    return newest(
        recorded("unclustered"),
        ("data", "n_clusters", "seed", "share"),
        "In no cluster",
        "TURTLE on features of the network in the box, then `leave_unclustered`. The rule of "
        '`"auto"` was settled on the flowers and on CIFAR-10, by fits whose accuracy was seen; the '
        "other sets played no part. Accuracy is that of samples in a cluster. With `+`, 300 images "
        "of the second set are strangers among those of the first: one is found if it is in no "
        "cluster, or in one of which most are strangers; they count in neither accuracy, but may "
        "take a cluster from a class.",
        {
            "data": lambda r: r["data"],
            "clusters": lambda r: str(r["n_clusters"]),
            "seed": lambda r: str(r["seed"]),
            "share asked for": lambda r: str(r["share"]),
            "left out %": percent("left_out"),
            "of these right %": percent("right_of_left_out"),
            "ACC of all %": percent("ACC_all"),
            "ACC of the rest %": percent("ACC"),
            "strangers found %": percent("strangers_found"),
        },
    )


def candidates() -> str:
    """What the default for features took, beside what it could have taken."""
    rows = rows_on_features()
    of_rivals = {
        key: mean(r["ACC"] for r in group)
        for key, group in grouped(rows, lambda r: (r["data"], r["method"])).items()
    }
    ours = [r for r in rows if "joined-parts" in r.get("candidates", {})]
    if not ours:
        return ""
    lines = []
    for data, group in grouped(ours, lambda r: r["data"]).items():
        best = [max(c["ACC"] for c in r["candidates"].values()) for r in group]
        plain = max(of_rivals.get((data, m), 0) for m in ("k-means", "k-means, 100 restarts"))
        umap = of_rivals.get((data, "UMAP + k-means"))
        lines.append(
            [
                data,
                str(len(group)),
                spread(r["ACC"] for r in group),
                ", ".join(sorted({r["taken"] for r in group})),
                f"{100 * mean(best):.1f}",
                f"{100 * (mean(best) - mean(r['ACC'] for r in group)):+.1f}",
                f"{100 * plain:.1f}" if plain else "",
                f"{100 * umap:.1f}" if umap else "",
                f"{mean(within(r, 'agreement') for r in group):+.2f}",
                f"{mean(-within(r, 'cut') for r in group):+.2f}",
            ]
        )
    text = (
        "The candidates are TURTLE with like and with free sizes, k-means, k-means on the "
        "neighbour embedding, and small parts of it, joined. The regret is the best of these less "
        "what was taken, in points. The last two columns are Spearman's correlation over the "
        "candidates of accuracy with their "
        "agreement, and with the share of neighbours that they keep together. What was settled on "
        "which sets is said above. With fewer than 200 samples k-means is taken. Rivals: the mean "
        "of their seeds in the table above."
    )
    head = ["data", "seeds", "ACC %", "taken", "best candidate", "regret", "k-means"]
    head += ["UMAP + k-means", "agreement", "neighbours"]
    section = "## What FeatureClustering took"
    return f"{section}\n\n{text}\n\n{table(head, lines)}\n{provenance(ours)}\n"


def restarts() -> str:
    """Accuracy of the mean restart, and of those that may be kept."""

    def percent(name: str) -> Callable[[Row], str]:
        return lambda r: f"{100 * r[name]:.1f}"

    return newest(
        recorded("restarts"),
        ("data", "method"),
        "Which restart to keep",
        "Fits at the defaults with several seeds; ACC in percent. Typical: the one with which the "
        "others agree most (adjusted mutual information). Most modular: in UMAP's graph of the "
        "samples. Chosen: the typical one of the more modular half, as in the heads of a fit. The "
        "rule was settled on trials with most of these sets.",
        {
            "data": lambda r: r["data"],
            "method": lambda r: r["method"],
            "restarts": lambda r: str(r["restarts"]),
            "mean": percent("mean"),
            "standard deviation": percent("spread"),
            "typical": percent("typical"),
            "most modular": percent("modular"),
            "chosen": percent("chosen"),
            "best": percent("best"),
        },
    )


def within(row: Row, score: str) -> float:
    """Rank correlation of a score with accuracy over the candidates; 0 if all are alike."""
    found = row["candidates"].values()
    columns = [[c[name] for c in found] for name in (score, "ACC")]
    if any(len(set(column)) == 1 for column in columns):
        return 0.0
    return float(spearmanr(*columns).statistic)


def refine() -> str:
    """Rounds of a simulated user, with his corrections in the fit and without."""
    rows = recorded("refine")
    if not rows:
        return ""
    lines = []
    for key, group in grouped(rows, lambda r: (r["data"], r["way"], r["round"])).items():
        lines.append(
            [
                *map(str, key),
                str(len(group)),
                spread(r["purity"] for r in group if r["share"]) if any_accepted(group) else "",
                spread(r["share"] for r in group),
                spread(r["right"] for r in group),
                f"{mean(r['verbs'] for r in group):.0f}",
                f"{mean(r['actions'] for r in group):.0f}",
                f"{mean(r['cpu'] for r in group):.1f}",
            ]
        )
    text = (
        'The user of `benchmarks/refine.py` names clusters, says "not here" to strangers among the '
        "twenty most doubtful of each, accepts what looks pure, and merges by name. Purity and "
        "share are those of the images in accepted clusters after his round, before the rest is "
        "clustered again; right is their product. A verb is a name, a merge, an acceptance or one "
        "stranger; an action takes all strangers of a cluster at once. CPU seconds are of the "
        "refinement. Beside it: the same user with k-means of the rest, which uses no correction. "
        "How the rest is clustered was chosen by trials with seed 0 of these sets."
    )
    head = ["data", "rest by", "round", "seeds", "purity %", "share %", "right %"]
    head += ["verbs", "actions", "CPU s"]
    told = table(head, lines)
    return f"## A person who corrects, simulated\n\n{text}\n\n{told}\n{provenance(rows)}\n"


def any_accepted(rows: list[Row]) -> bool:
    return any(row["share"] for row in rows)


def held_out() -> str:
    """A class that a first run has not seen, among added images."""
    rows = recorded("add")
    if not rows:
        return ""
    lines = [
        [
            r["data"],
            str(r["held_out"]),
            f"{r['n_old']:,} + {r['n_new']:,}",
            "yes" if r["unchanged"] else "no",
            f"{100 * r['held_out_proposed']:.1f}",
            f"{100 * r['others_proposed']:.1f}",
            f"{100 * r['others_unclustered']:.1f}",
            str(r["n_proposed"]),
            f"{r['cpu']:.1f}",
        ]
        for r in rows
    ]
    text = (
        "A class is held out of three quarters of the images, which TURTLE clusters; the last "
        "quarter has all of it, and others. What `add` does with them: the share of the class that "
        "ends in proposed new clusters, and what happens to the others."
    )
    head = ["data", "held out", "images", "old labels unchanged", "class proposed %"]
    head += ["others proposed %", "others unclustered %", "new clusters", "CPU s"]
    return f"## A class that was held out\n\n{text}\n\n{table(head, lines)}\n{provenance(rows)}\n"


def main() -> None:
    rows = recorded("quality")
    default = [r for r in rows if r["schedule"] == "default"]
    variants = [r for r in default if r["method"].startswith("DECS")]
    varied = {r["data"] for r in variants if r["method"] != "DECS"}
    parts = [
        INTRODUCTION,
        quality(
            [r for r in default if not r["method"].startswith("DECS,")],
            "Default schedule",
            "Defaults of the estimators; all methods of a seed share the pretrained "
            "autoencoder. MNIST and Fashion-MNIST: the 10 000 test images; USPS: all 9 298.",
        ),
        quality(
            [r for r in variants if r["data"] in varied],
            "What each departure from the paper brings to DECS",
            "The default beside itself with one option as in the paper, or `balance_weight=1`, "
            "which was the default once.",
        ),
        quality(
            [r for r in rows if r["schedule"] == "long"],
            "Long schedule",
            '`encoder="conv-decs"` (the network of the paper), `pretrain_epochs=300`, '
            '`max_iter=2500`, `reconstruction_target="augmented"`, `augment_clustering=True`. '
            '"Loss of the paper" is `balance_weight=0, min_cluster_size=0`. All rows were measured '
            "when a cluster had one prototype, and DECS `alpha=0.5` and `clustering_lr=0.001`; "
            "`init='k-means'` and `balance_weight=1` were defaults once.",
        ),
        quality(
            [r for r in rows if r["schedule"] == "official"],
            "Official schedule of DECS",
            '`DECSClustering.from_preset("official")` and DEC on the same autoencoder. The '
            "authors' README states .992 ACC and .976 NMI on USPS.",
        ),
        selective(),
        quality(
            recorded("defaults"),
            "CC, SCAN, TCL and CDC; others on texts, and DEC on all of MNIST",
            "Defaults. Those of SCAN were settled in trials on digits and wine, and its parts on "
            "USPS and MNIST, whose scores were seen; when its rows of images were measured, parts "
            "were merged by affinities that training had summed up, and the most modular head was "
            "kept. Parts of vectors were "
            "settled on digits, USPS and MNIST as rows and on breast cancer, the beginning of "
            "CC and TCL on digits and, for CC, USPS.",
        ),
        quality(
            recorded("defaults_time"),
            "Time of the defaults",
            "Lengths of training follow the number of samples. The section before has the rows of "
            "2000 batches of pretraining and 1000 of clustering: wine and breast cancer took a "
            "minute and more with DEC, IDEC and DECS (seed 0: 87.1, 86.5 and 91.6; 91.7, 91.7 and "
            "92.1), and SCAN and SeCu 7 and 11 seconds on breast cancer. The machine was so busy "
            "that CPU seconds here are up to twice those of an idle one.",
        ),
        choice(),
        lengths(),
        heads(),
        unclustered(),
        candidates(),
        restarts(),
        refine(),
        held_out(),
        cdc(),
        quality(
            recorded("hadis"),
            "HaDis and what it contains",
            "Defaults, 60 epochs; tables standardised. Each line is HaDis with an option at zero. "
            "The width of the network was settled in trials on digits whose scores were seen.",
        ),
        hadis_cifar10(),
        *secu(),
        overhead(),
        precision(),
        embedding_speed(),
        profiles(),
        kmeans(),
        augment(),
        folder_costs(),
        folder_quality(recorded("folder_quality")),
        rivals(),
        memory(),
        growth(),
        growth_neighbors(),
        threads(),
        ranks(),
        page(),
        no_collapse(),
        told_of_fits(),
        n_clusters(),
        search(),
        scorers(),
    ]
    (HERE / "RESULTS.md").write_text("\n".join(part for part in parts if part))


if __name__ == "__main__":
    main()
