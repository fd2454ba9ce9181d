"""Files of strangers and odd arrays, made at random: each is taken, or refused in a sentence.

    OMP_NUM_THREADS=1 python benchmarks/fuzz.py --minutes 10

Valid files are made, then bytes and values of them are changed, under a right checksum where there
is one. Arrays are of any shape, dtype, container and scale. What ends neither in a result nor in a
sentence is a finding, and is printed with the seed that makes it again: ``--first SEED --count 1``.
The tests run the same for some seconds.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import resource
import shutil
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import scipy.sparse
import torch
from PIL import Image

import skdeepclust
from skdeepclust.data.images import read_image
from skdeepclust.engine.sealed import SEAL
from skdeepclust.pretrained.networks import read_state_dict
from skdeepclust.pretrained.store import Store
from skdeepclust.workflow.arrays import read_array
from skdeepclust.workflow.decisions import Decisions
from skdeepclust.workflow.evidence import judge
from skdeepclust.workflow.relabeling import Head
from skdeepclust.workflow.results import read_company, read_summary
from skdeepclust.workflow.table import Assignments, result_id

REFUSED = (ValueError, OSError, FloatingPointError)  # the last of a fit whose start is nonsense
SECONDS = 20  # for one file
ODD: list[Any] = [
    *(None, True, -1, 0, 3, 10**9, 2**63, 1e308, float("nan"), float("inf"), "", "x", "conv"),
    *("mlp:9999999-9999999", "../../etc/passwd", [], {}, [[1, 2], 3], {"a": None}, "\ud800"),
]
X = np.random.default_rng(0).normal(size=(24, 4)) + 4 * (np.arange(24) % 2)[:, None]


def estimator(folder: Path | None = None, **places: str) -> Any:
    """Return a fit of a fraction of a second, which keeps its state in a folder."""
    kept = {name: folder / place for name, place in places.items()} if folder else {}
    return skdeepclust.DECClustering(
        2, encoder="mlp:5", pretrain_epochs=2, max_iter=2, batch_size=8, random_state=0, **kept
    )


# ----------------------------------------------------------------------------------------------
# Changes


def change_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat or overwrite some bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[place:]
        elif kind == 2:
            data[place:place] = data[place : place + rng.randrange(64)]
        elif kind == 3:
            data[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x80\0\0\0", b'"},['))
        else:
            del data[place : place + rng.randrange(64)]
    return bytes(data)


def change_value(value: Any, rng: random.Random) -> Any:
    """Put an odd value somewhere into lists and dicts, or leave an entry out."""
    if isinstance(value, dict | list) and len(value) and rng.random() < 0.9:
        changed = value.copy()
        key = rng.choice(list(changed)) if isinstance(changed, dict) else rng.randrange(len(value))
        if rng.random() < 0.15:
            del changed[key]
        else:
            changed[key] = change_value(changed[key], rng)
        return changed
    if isinstance(value, np.ndarray):
        return change_array(value, rng)
    if isinstance(value, torch.Tensor):
        return torch.from_numpy(change_array(value.detach().cpu().numpy(), rng))
    return rng.choice(ODD)


def change_array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    """Another shape, another type or another value."""
    kind = rng.randrange(5)
    if kind == 0:
        return np.array(array).reshape(-1)[: rng.randrange(array.size + 1)]
    if kind == 1:
        return np.array(array)[None]
    if kind == 2:
        return np.asarray(array, dtype=rng.choice(("f2", "f8", "i8", "u1", "c8", "?")))
    if kind == 3:
        return np.full(rng.choice(((), (0,), (3,), (2, 2), (1, 2, 3))), rng.choice((0.0, -5, 1e30)))
    changed = np.array(array)
    if changed.size and changed.dtype.kind == "f":
        changed.flat[rng.randrange(changed.size)] = rng.choice((np.nan, np.inf, -1e38))
    return changed


def change_archive(content: bytes, rng: random.Random) -> bytes:
    """Change a member of an ``.npz`` file: an array, the header, or its compression."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    headers = [name for name in members if name.endswith(".json")]
    name = rng.choice(headers if headers and rng.random() < 0.5 else list(members))
    if name.endswith(".json"):
        header = json.loads(members[name])
        members[name] = json.dumps(change_value(header, rng)).encode("utf-8", "surrogatepass")
    else:
        buffer = io.BytesIO()
        array = np.load(io.BytesIO(members[name]), allow_pickle=False)
        np.save(buffer, change_array(array, rng))
        members[name] = buffer.getvalue()
    if rng.random() < 0.1:
        members[rng.choice(("network/more.npy", "fitted/predict.npy", "../up.npy"))] = b"\0" * 10**6
    packed = io.BytesIO()
    way = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(packed, "w", way) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return packed.getvalue()


def sealed(content: bytes) -> bytes:
    """Content below its right checksum."""
    return hashlib.sha256(content).digest() + content


def change_checkpoint(content: bytes, rng: random.Random) -> bytes:
    state = torch.load(io.BytesIO(content[SEAL:]), weights_only=True)
    buffer = io.BytesIO()
    torch.save(change_value(state, rng), buffer)
    return sealed(buffer.getvalue())


def change_memory(content: bytes, rng: random.Random) -> bytes:
    return sealed(change_archive(content[SEAL:], rng))


def change_text(content: bytes, rng: random.Random) -> bytes:
    """Change a cell of a table."""
    lines = content.decode().split("\n")
    row = rng.randrange(len(lines))
    cells = lines[row].split(",")
    odd = ("", "nan", "-1", "1e99", "1" * 30, "=1+1", '"', "\0", "x" * 200_000, "٣", "1.0", "inf")
    cells[rng.randrange(len(cells))] = rng.choice(odd)
    lines[row] = ",".join(cells)
    return "\n".join(lines).encode()


def change_json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(change_value(json.loads(content), rng)).encode("utf-8", "surrogatepass")


# ----------------------------------------------------------------------------------------------
# Doors


@dataclass(frozen=True)
class Door:
    """A file of ours, what reads it, and how it is changed beside its bytes."""

    file: str
    read: Callable[[Path], Any]
    change: Callable[[bytes, random.Random], bytes] | None = None


def predicts(file: Path) -> None:
    """What is loaded predicts, or it should not have been loaded."""
    model = skdeepclust.load(file)
    labels = model.predict(X)
    assert labels.shape == (len(X),)
    assert np.isfinite(model.predict_proba(X)).all()


def goes_on(file: Path) -> None:
    labels = estimator(file.parent.parent, checkpoint=file.parent.name).fit(X).labels_
    assert labels.shape == (len(X),)


def remembers(file: Path) -> None:
    labels = estimator(file.parent.parent.parent, memory="memory").fit(X).labels_
    assert labels.shape == (len(X),)


def keeps_features(file: Path) -> None:
    Store(file.parent, 3).rows([b"k" * 16] if b"k" * 16 in Store(file.parent, 3) else [])


def reads_head(file: Path) -> None:
    head = Head.read(file)
    head.predict_proba(np.ones((2, head.weight.shape[1])))


def odd_array(rng: random.Random) -> Any:
    """Samples of any shape, dtype, scale and container, most of them clusterable."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    shape: tuple[int, ...] = (rng.choice((1, 2, 3, 9, 17, 24)), rng.choice((0, 1, 2, 5, 64)))
    if rng.random() < 0.4:
        shape = (
            shape[0],
            *rng.choice(((4, 4), (5, 3, 3), (1, 1), (8, 8, 1), (3, 8, 8), (2, 2, 2))),
        )
    x = numbers.normal(size=shape) * 10.0 ** rng.choice((0, 0, 0, -300, -30, 3, 30, 300))
    x = x + rng.choice((0, 0, 1e6, -1e300))
    if x.size and rng.random() < 0.2:
        x.flat[rng.randrange(x.size)] = rng.choice((np.nan, np.inf, 1e308, 0.0))
    if rng.random() < 0.1:
        x = np.zeros(shape)
    with np.errstate(all="ignore"):
        x = x.astype(
            rng.choice(("f2", "f4", "f8", ">f8", "u1", "i2", "u4", "i8", "?", "O", "c8", "U"))
        )
    kind = rng.randrange(9)
    if kind == 0:
        return x.tolist()
    if kind == 1:
        return np.asfortranarray(x)
    if kind == 2 and x.ndim == 2 and x.dtype.kind in "fiu" and x.dtype.itemsize > 2:
        return scipy.sparse.csr_array(x.astype(np.float64))
    if kind == 3 and x.ndim == 2:
        return pandas.DataFrame(x)
    if kind == 4 and x.dtype.kind in "fiub" and x.dtype.isnative:
        return torch.from_numpy(np.ascontiguousarray(x))
    if kind == 5:
        return np.ma.masked_array(x, mask=numbers.random(shape) < 0.1)
    return (row for row in x) if kind == 6 else x


def fault_of(X: Any, encoder: str = "mlp:5") -> str:
    """Fit samples and predict them; return what went wrong, "" if nothing did."""
    before = X.copy() if isinstance(X, np.ndarray) else None
    try:
        model = skdeepclust.DECClustering(
            2, encoder=encoder, pretrain_epochs=1, max_iter=1, random_state=0
        )
        labels = model.fit_predict(X)
        if not np.array_equal(labels, model.predict(X)):
            return "labels_ are not what predict says"
        if not np.isfinite(model.predict_proba(X)).all():
            return "a probability is not finite"
    except (ValueError, TypeError, FloatingPointError) as error:
        text = str(error)
        return f"{text[:300]!r} is no sentence" if len(text) < 10 or len(text) > 2000 else ""
    except Exception:
        return traceback.format_exc(limit=-3)
    if before is not None and not np.array_equal(before, X, equal_nan=before.dtype.kind in "fc"):
        return "X was changed"
    return ""


def corpus(folder: Path) -> list[Door]:
    """Make valid files, and say what reads each."""
    model = estimator(folder, checkpoint="checkpoint", memory="memory").fit(X)
    memory = next((folder / "memory").rglob("*.pretraining")).relative_to(folder)
    plain = estimator().fit(X)
    plain.save(folder / "model")
    skdeepclust.SelectiveClustering(estimator()).fit(X).save(folder / "wrapped")
    np.save(folder / "rows.npy", X)
    torch.save({"a.weight": torch.ones(2, 3)}, folder / "weights.pt")
    names = [f"{i}.png" for i in range(len(X))]
    table = Assignments.of(names, model.predict_proba(X), model.transform(X))
    (folder / "labels.csv").write_bytes(table.to_csv())
    (folder / "company").mkdir()
    np.savez(folder / "company" / "embedding.npz", embedding=model.transform(X))
    Decisions(result=result_id(table), merged={0: 1}, moved={1: (names[0],)}).write(
        folder / "decisions.json"
    )
    Head(np.arange(2), np.ones((2, 3)), np.zeros(2)).write(folder / "head.npz")
    (folder / "company" / "labels.csv").write_bytes(table.to_csv())
    evidence = judge(X, model.labels_).as_dict()
    told = {"method": "dec", "seconds": {"fit": 1.0}, "folder": "a", "evidence": evidence}
    more = {"embedder": None, "warnings": ["odd"], "n_clusters_scores": {"2": 0.5}}
    (folder / "company" / "summary.json").write_text(json.dumps({**told, **more}))
    (folder / "features").mkdir()
    Store(folder / "features", 3).add([b"k" * 16], np.ones((1, 3), np.float32))
    features = next((folder / "features").iterdir()).relative_to(folder)
    for ending in ("png", "jpg", "gif", "tif", "webp"):
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(
            folder / f"image.{ending}"
        )
    return [
        Door("model", predicts, change_archive),
        Door("wrapped", predicts, change_archive),
        Door("checkpoint/checkpoint.pt", goes_on, change_checkpoint),
        Door(str(memory), remembers, change_memory),
        Door("rows.npy", lambda file: read_array(str(file)).sum()),
        Door("weights.pt", lambda file: read_state_dict(str(file))),
        Door("labels.csv", Assignments.read_csv, change_text),
        Door("company/embedding.npz", lambda file: read_company(file.parent), change_archive),
        Door("decisions.json", Decisions.read, change_json),
        Door(
            "head.npz", lambda file: Head.read(file).predict_proba(np.ones((2, 3))), change_archive
        ),
        Door("company/summary.json", lambda file: read_summary(file.parent), change_json),
        Door(str(features), keeps_features),
        *(Door(f"image.{e}", read_image) for e in ("png", "jpg", "gif", "tif", "webp")),
    ]


def attack(door: Door, folder: Path, valid: bytes, seed: int) -> str:
    """Change a file and read it; return what went wrong, "" if nothing did."""
    rng = random.Random(f"{door.file.partition('.')[0]} {seed}")
    by_value = door.change is not None and rng.random() < 0.7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.monotonic()
        try:
            change = door.change if by_value else change_bytes
            assert change is not None
            (folder / door.file).write_bytes(change(valid, rng))
            door.read(folder / door.file)
        except REFUSED:
            pass
        except Exception:
            return traceback.format_exc(limit=-3)
    seconds = time.monotonic() - start
    return f"it took {seconds:.0f} s" if seconds > SECONDS else ""


def attacks(seconds: float, first: int = 0, count: int | None = None) -> tuple[int, list[str]]:
    """Attack every door in turn for so long; return how often, and what was found."""
    n, findings = 0, []
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        doors = corpus(folder)
        valid = {door.file: (folder / door.file).read_bytes() for door in doors}
        end = time.monotonic() + seconds
        seed = first
        while time.monotonic() < end and (count is None or seed < first + count):
            for door in doors:
                kept = (folder / door.file).parent
                if problem := attack(door, folder, valid[door.file], seed):
                    findings.append(f"{door.file}, seed {seed}: {problem}")
                if door.file.startswith(("checkpoint", "memory")):  # the fit wrote there
                    shutil.rmtree(kept)
                    kept.mkdir()
                (folder / door.file).write_bytes(valid[door.file])
                n += 1
            encoder = "auto" if seed % 9 == 0 else "mlp:5"
            if problem := fault_of(odd_array(random.Random(seed)), encoder):
                findings.append(f"array, seed {seed}: {problem}")
            n += 1
            seed += 1
    return n, findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first", type=int, default=0, help="seed of the first change")
    parser.add_argument("--count", type=int, help="changes of each file (default: no limit)")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, 16 * 2**30))  # a giant fails, and is found
    n, findings = attacks(60 * args.minutes, args.first, args.count)
    print("\n".join(findings))
    print(f"{n} files and arrays, {len(findings)} findings")
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
