"""A file of boxes in place of a folder: each box of each image is a sample."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ..data.files import on_disk
from ..data.folders import listing
from ..data.images import ImageReadError, read_image, resize_image, resize_images
from ..data.tables import check_column
from ..data.telling import warn
from ..datasets import check_on_error
from .companion import CompanionTable
from .images import SHOWN, ImageClusters, ImageFiles
from .settings import Settings
from .sources import features_of, refuse_flags_of_folders

ENDINGS = (".json", ".csv")
CROP = (224, 224, 3)  # what networks see; the page shows less
CHUNK = 512  # crops that are in memory at once
LEAST_CONFIDENCE = 0.2  # of a detection by MegaDetector, whose files hold all; its own advice
COLUMNS = ("path", "x", "y", "width", "height")  # of a CSV file, in pixels


@dataclass(frozen=True)
class Box:
    """A box in an image.

    Parameters
    ----------
    image : str
        Path below the folder of images, parts joined by ``/``.
    place : (x, y, width, height)
        From the upper left corner: in pixels, or as shares of the image.
    relative : bool
        Whether these are shares.
    facts : dict of str
        What else the file says of it, such as its category and confidence.
    """

    image: str
    place: tuple[float, float, float, float]
    relative: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the box holds of an image (H, W[, C]); nothing, if they don't meet."""
        height, width = image.shape[:2]
        x, y, w, h = self.place
        across, down = (width, height) if self.relative else (1, 1)
        left, right = max(0, math.floor(x * across)), min(width, math.ceil((x + w) * across))
        top, bottom = max(0, math.floor(y * down)), min(height, math.ceil((y + h) * down))
        return image[top : max(top, bottom), left : max(left, right)]

    def below(self, folder: str) -> Box:
        """The same box, of an image whose full path is made one below the folder."""
        if not os.path.isabs(self.image):
            return self
        return replace(self, image=os.path.relpath(self.image, folder).replace(os.sep, "/"))


def _image_of(box: Box) -> str:
    return box.image


def refuse_stray_flags(path: str, images: Any, column: str | None) -> None:
    """Refuse --images without a file of boxes, and --column without a table."""
    if images is not None and not BoxFile.takes(path):
        raise ValueError(f"--images is for a file of boxes, .json or .csv. Got {path!r} instead.")
    check_column(path, column)


def read_boxes(file: str) -> list[Box]:
    """Boxes of a file: JSON of COCO or of MegaDetector, or CSV, as its content tells.

    Raises
    ------
    ValueError
        If it is none of these, or holds no box.
    OSError
        If it can't be read.
    """
    try:
        boxes = list(_of_csv(file) if file.lower().endswith(".csv") else _of_json(file))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{file!r} is no file of boxes: JSON as of COCO or MegaDetector, or CSV with the "
            f"columns {', '.join(COLUMNS)} ({error})."
        ) from error
    if not boxes:
        raise ValueError(f"{file!r} holds no box.")
    return boxes


def _of_csv(file: str) -> Iterator[Box]:
    with open(file, encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        if missing := set(COLUMNS).difference(reader.fieldnames or ()):
            raise KeyError(min(missing))
        for row in reader:
            facts = {name: cell or None for name, cell in row.items() if name not in COLUMNS}
            yield Box(_plain(row["path"]), _numbers(row[name] for name in COLUMNS[1:]), facts=facts)


def _of_json(file: str) -> Iterator[Box]:
    with open(file, encoding="utf-8") as opened:
        content = json.load(opened)
    return _of_coco(content) if "annotations" in content else _of_megadetector(content)


def _of_coco(content: Mapping[str, Any]) -> Iterator[Box]:
    files = {image["id"]: image["file_name"] for image in content["images"]}
    names = {category["id"]: category["name"] for category in content.get("categories", ())}
    for found in content["annotations"]:
        facts = {"category": names.get(found.get("category_id"))}
        if "score" in found:
            facts["detection"] = found["score"]
        yield Box(_plain(files[found["image_id"]]), _numbers(found["bbox"]), facts=facts)


def _of_megadetector(content: Mapping[str, Any]) -> Iterator[Box]:
    names = content.get("detection_categories", {})
    for image in content["images"]:
        for found in image.get("detections") or ():  # null where an image failed
            if found["conf"] >= LEAST_CONFIDENCE:
                facts = {"category": names.get(found["category"]), "detection": found["conf"]}
                yield Box(_plain(image["file"]), _numbers(found["bbox"]), True, facts)


def _plain(path: str) -> str:
    return os.path.normpath(path.replace("\\", "/")).replace(os.sep, "/")


def _numbers(cells: Iterable[Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (float(cell) for cell in cells)
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError(f"a box of {x}, {y}, {width}, {height}")
    return x, y, width, height


class BoxFile(ImageFiles):
    """The boxes of a file, in the images of a folder.

    Parameters
    ----------
    file : str
    images : path or None
        The folder.
    """

    def __init__(self, file: str, images: Path | None) -> None:
        if images is None:
            raise ValueError(f"{file!r} holds boxes: --images FOLDER says where the images are.")
        self.file, self.place = file, str(images)

    @staticmethod
    def takes(path: str) -> bool:
        """Whether the name is that of a file that may hold boxes."""
        return path.lower().endswith(ENDINGS) and not os.path.isdir(path)

    def check(self, settings: Settings) -> None:
        refuse_flags_of_folders(settings, f"the boxes {self.file!r}")
        if not os.path.isdir(self.place):
            raise FileNotFoundError(f"--images {self.place!r} is no folder.")
        root = os.path.abspath(self.place)
        self.boxes = sorted((box.below(root) for box in read_boxes(self.file)), key=_image_of)
        self._check_inside()

    def _check_inside(self) -> None:
        """Refuse images outside the folder, whoever wrote the file."""
        root = os.path.realpath(self.place)
        for image in dict.fromkeys(map(_image_of, self.boxes)):
            if not Path(os.path.realpath(os.path.join(root, image))).is_relative_to(root):
                raise ValueError(
                    f"{self.file!r} names {image!r}, which lies outside {self.place!r}."
                )

    def cut(self, settings: Settings) -> NDArray[np.uint8]:
        """What each box holds, (n_boxes, 224, 224, 3), on disk; after `check`."""
        self.skipped: list[tuple[str, str]] = []
        crops = on_disk((len(self.boxes), *CROP), np.uint8)
        kept: list[tuple[str, Box]] = []
        for name, box, crop in self._cut_all():
            crops[len(kept)] = resize_image(crop, CROP)
            kept.append((name, box))
        self._tell_left_out(settings.on_error)
        self.crops, self.kept = crops[: len(kept)], kept
        return self.crops

    def read(self, settings: Settings) -> NDArray[Any]:
        self.cut(settings)
        shape = settings.params.get("image_shape") or SHOWN
        self.small = resize_images(self.crops, SHOWN, n_jobs=settings.n_jobs)
        if tuple(shape) == SHOWN:
            return self.small
        return resize_images(self.crops, shape, n_jobs=settings.n_jobs)

    def _cut_all(self) -> Iterator[tuple[str, Box, NDArray[np.uint8]]]:
        """Name, box and content of each box that has one; each image is read once."""
        for image, group in groupby(self.boxes, key=_image_of):
            boxes = list(group)
            try:
                pixels = read_image(os.path.join(self.place, image))
            except ImageReadError as error:
                self.skipped += [(f"{image}#{i}", error.reason) for i in range(len(boxes))]
                continue
            for i, box in enumerate(boxes):
                crop = box.cut(pixels)
                if crop.size:
                    yield f"{image}#{i}", box, crop
                else:
                    self.skipped.append((f"{image}#{i}", "the box lies outside the image"))

    def _tell_left_out(self, on_error: str) -> None:
        check_on_error(on_error)
        if not self.skipped:
            return
        n_left_out, listed = len(self.skipped), listing(self.skipped)
        if on_error == "raise" or n_left_out == len(self.boxes):
            raise ValueError(f"{n_left_out} boxes of {self.file!r} can't be cut out{listed}.")
        if on_error == "warn":
            warn(f"{n_left_out} of {len(self.boxes)} boxes of {self.file!r} are left out{listed}.")

    def address(self, page: Path) -> None:
        """Nothing: a box is no file of its own. Its name begins with that of the image."""

    def names(self) -> list[str]:
        return [name for name, _ in self.kept]

    def columns(self, companion: CompanionTable | None) -> dict[str, list[Any]]:
        """What the file says of the boxes, and the columns of a table about their images."""
        images = [box.image for _, box in self.kept]
        found: dict[str, list[Any]] = {"image": list(images)}
        for i, name in enumerate(COLUMNS[1:]):
            found[name] = [box.place[i] for _, box in self.kept]
        facts = dict.fromkeys(name for _, box in self.kept for name in box.facts)
        found |= {name: [box.facts.get(name) for _, box in self.kept] for name in facts}
        return found if companion is None else {**companion.of(images, self.place), **found}

    def embed(self, embedder: Any, heard: Callable[[int, int], None]) -> NDArray[Any]:
        return features_of(embedder, self.crops, heard)

    def gather(self, estimator: Any, rows: NDArray[Any]) -> BoxClusters:
        files = [os.path.join(self.place, box.image) for _, box in self.kept]
        return BoxClusters(
            **self._said_of(estimator, rows),
            paths=np.array(files, dtype=object),
            images=self.small,
            classes=None,
            skipped=self.skipped,
            crops=self.crops,
        )

    def found_again(self, names: NDArray[Any]) -> tuple[dict[str, Any], dict[int, str]]:
        """What `BoxClusters` has beside a table with these names, and why some have none."""
        settings = Settings(on_error="skip")
        self.check(settings)
        self.read(settings)
        place = {name: i for i, name in enumerate(self.names())}
        gone = {i: "the box is gone" for i, name in enumerate(names) if name not in place}
        rows = [place[name] for name in names if name in place]
        files = [os.path.join(self.place, self.kept[i][1].image) for i in rows]
        found = {
            "paths": np.array(files, dtype=object),
            "images": self.small[rows],
            "crops": Rows(self.crops, rows),
            "columns": {
                name: [column[i] for i in rows] for name, column in self.columns(None).items()
            },
        }
        return found, gone

    def summary(self) -> dict[str, Any]:
        return {
            "boxes": os.path.abspath(self.file),
            "folder": os.path.abspath(self.place),
            "embedder": None,
            "n_images": len({box.image for _, box in self.kept}),
            "n_boxes": len(self.kept),
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
        }

    def counts(self) -> tuple[str, str]:
        n_images = len({box.image for _, box in self.kept})
        return (
            f"{len(self.kept):,} boxes of {n_images:,} images",
            f"{len(self.skipped)} boxes skipped",
        )


class Rows(Sequence[Any]):
    """Some rows of an array on disk, read when looked up."""

    def __init__(self, array: NDArray[Any], rows: Sequence[int]) -> None:
        self.array, self.rows = array, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.array[self.rows[index]]


@dataclass(frozen=True, eq=False, kw_only=True)
class BoxClusters(ImageClusters):
    """Clusters of boxes: the page shows what they hold.

    Attributes
    ----------
    crops : sequence of n_boxes arrays of shape (224, 224, 3), uint8
    """

    crops: NDArray[np.uint8] | Rows = field(repr=False)

    @property
    def pictures(self) -> Any:
        """What the boxes hold."""
        return self.crops

    def features(self, embedder: Any) -> NDArray[Any]:
        """What a network makes of the boxes' contents, some hundreds at a time."""
        parts = gen_batches(len(self.crops), CHUNK)
        some = (np.stack([self.crops[i] for i in range(p.start, p.stop)]) for p in parts)
        return np.concatenate([embedder.transform(crops) for crops in some])
