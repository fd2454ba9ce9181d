"""Tables on disk: whatever wrote them, the same samples, and never all of them in memory."""

import io
import json
import os
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

from skdeepclust import ImageEmbedder
from skdeepclust.data import tables
from skdeepclust.data.images import ImageReadError, read_image
from skdeepclust.data.tables import IMAGES, VECTORS, EncodedImages, Table, is_table
from skdeepclust.datasets import open_table

pyarrow = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")


def vectors(n=5, d=3):
    return np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)


def lists(rows):
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), rows.shape[1])


def encoded(shade, size=(12, 10)):
    file = io.BytesIO()
    Image.new("RGB", size, (shade % 256, 20, 30)).save(file, "PNG")
    return file.getvalue()


def images(n=5, names=True):
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    cells = [{"bytes": encoded(i), "path": f"{i}.png" if names else None} for i in range(n)]
    return pyarrow.array(cells, kind)


def write_parquet(table, path):
    parquet.write_table(table, f"{path}.parquet", row_group_size=2)
    return f"{path}.parquet"


def write_parquets(table, path):
    path.mkdir()
    parquet.write_table(table[:2], path / "part-0.parquet")
    parquet.write_table(table[2:], path / "part-1.parquet")
    (path / "_SUCCESS").touch()
    return str(path)


def write_feather(table, path):
    feather.write_feather(table, f"{path}.feather", chunksize=2)  # compressed
    return f"{path}.feather"


def write_stream(table, path):
    with pyarrow.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table, 2)


def write_arrow(table, path):
    write_stream(table, f"{path}.arrow")
    return f"{path}.arrow"


def save_to_disk(table, path):
    """As Hugging Face's datasets does."""
    path.mkdir()
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    write_stream(table[:2], str(path / names[0]))
    write_stream(table[2:], str(path / names[1]))
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": x} for x in names]}))
    (path / "dataset_info.json").write_text("{}")
    return str(path)


WRITERS = [write_parquet, write_parquets, write_feather, write_arrow, save_to_disk]


@pytest.mark.parametrize("write", WRITERS)
def test_every_kind_of_table_holds_the_same_vectors(write, tmp_path):
    rows = vectors()
    path = write(pyarrow.table({"z": lists(rows), "label": [0, 1, 0, 1, 0]}), tmp_path / "t")
    table = open_table(path)
    assert is_table(path)
    assert (len(table), table.column, table.width, table.holds_images) == (5, "z", 3, False)
    assert (table.to_array() == rows).all()
    assert (np.concatenate(list(table.vectors(3))) == rows[3:]).all()
    assert table.facts([4, 1]) == {"label": [0, 1]}


@pytest.mark.parametrize("kind", ["float16", "float64", "int64", "uint8"])
@pytest.mark.parametrize("wrap", [pyarrow.list_, pyarrow.large_list])
def test_vectors_of_any_numbers_become_float32(kind, wrap, tmp_path):
    rows = np.arange(6).reshape(2, 3)
    column = pyarrow.array(
        [list(row.astype(kind)) for row in rows], wrap(pyarrow.from_numpy_dtype(kind))
    )
    path = write_feather(pyarrow.table({"z": column}), tmp_path / "t")
    found = Table(path).to_array()
    assert found.dtype == np.float32
    assert (found == rows).all()


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("names", [True, False])
def test_images_are_read_in_any_order_under_their_names(write, names, tmp_path):
    path = write(pyarrow.table({"image": images(5, names)}), tmp_path / "t")
    found = open_table(path).images()
    order = EncodedImages(found.table, np.array([4, 0, 3, 3, 1]))
    for some, expected in ((found, range(5)), (order, order.rows), (order[1:3], [0, 3])):
        assert [read_image(image)[0, 0, 0] for image in some] == list(expected)
        ending = ".png" if names else ""
        assert [os.fspath(image) for image in some] == [f"{i}{ending}" for i in expected]


def test_binary_cells_are_images_and_an_empty_one_is_named(tmp_path):
    table = pyarrow.table({"photo": [encoded(7), None, b"no image"]})
    first, second, third = Table(write_parquet(table, tmp_path / "t")).images()
    assert read_image(first).shape == (10, 12, 3)
    with pytest.raises(ImageReadError, match=r"'1': the table holds no bytes"):
        read_image(second)
    with pytest.raises(ImageReadError, match=r"'2': its content is not an image"):
        read_image(third)


@pytest.mark.parametrize("write", [write_parquet, save_to_disk])
def test_a_network_sees_the_images_of_a_table(write, tmp_path, mean_colour):
    path = write(pyarrow.table({"image": images()}), tmp_path / "t")
    found = ImageEmbedder("timm:mean", cache_dir=None).transform(open_table(path).images())
    assert found.shape[0] == 5
    assert len(np.unique(found[:, 0])) == 5


def test_classes_are_facts_under_their_names(tmp_path):
    kept = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pyarrow.table({"image": images(3), "label": [1, 0, None], "text": ["a", "b", "c"]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(kept)})
    found = Table(save_to_disk(table, tmp_path / "t")).facts([0, 1, 2])
    assert found == {"label": ["dog", "cat", None], "text": ["a", "b", "c"]}


@pytest.mark.parametrize("write", WRITERS)
def test_categoricals_of_data_frames_are_facts(write, tmp_path):
    label = pyarrow.array(["cat", None, "dog"]).dictionary_encode()
    path = write(pyarrow.table({"z": lists(vectors(3)), "label": label}), tmp_path / "t")
    assert Table(path).facts([2, 1, 0]) == {"label": ["dog", None, "cat"]}


@pytest.mark.parametrize("write", WRITERS)
def test_times_and_decimals_are_facts(write, tmp_path):
    moment, price = datetime(2026, 1, 2, 3, 4, 5, 678901), Decimal("1.50")
    kinds = {
        "day": (pyarrow.date32(), moment.date()),
        "moment": (pyarrow.timestamp("us"), moment),
        "finer": (pyarrow.timestamp("ns", "UTC"), moment.replace(tzinfo=UTC)),
        "hour": (pyarrow.time64("ns"), moment.time()),
        "length": (pyarrow.duration("ns"), timedelta(seconds=2)),
        "price": (pyarrow.decimal128(9, 2), price),
    }
    columns = {name: pyarrow.array([fact, None], kind) for name, (kind, fact) in kinds.items()}
    nanoseconds = pyarrow.array([1_767_323_045_678_901_234, None], pyarrow.timestamp("ns"))
    table = pyarrow.table({"z": lists(vectors(2)), **columns, "finest": nanoseconds})
    found = Table(write(table, tmp_path / "t")).facts([1, 0])
    assert found == {name: [None, fact] for name, (_, fact) in kinds.items()} | {
        "finest": [None, moment]
    }


def test_names_are_read_without_the_images(tmp_path):
    table = Table(write_parquet(pyarrow.table({"image": images(3)}), tmp_path / "t"))
    (cells,) = table.cells("image", 5, child="path")
    assert [field.name for field in cells.type] == ["path"]


@pytest.mark.parametrize("write", [write_parquet, write_arrow])
@pytest.mark.parametrize("column", [lists(vectors(3)), images(3)])
def test_an_empty_table_says_that_it_is_empty(write, column, tmp_path):
    table = Table(write(pyarrow.table({"a": column}).slice(0, 0), tmp_path / "t"))
    with pytest.raises(ValueError, match=r"is empty: it holds no row\.$"):
        table.images() if table.holds_images else table.to_array()


BOTH = {"image": images(2), "z": lists(vectors(2)), "label": [0, 1]}


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        (BOTH, None, r"t.parquet' holds samples in image, z; name one of these columns\.$"),
        (BOTH, "label", r"column 'label' of '.*t.parquet' must hold lists .* label \(int64\)\.$"),
        (BOTH, "y", r"column 'y' of '.*t.parquet' must hold .*image \(struct"),
        ({"a": ["b"]}, None, r"has no column of lists .*, but a \(string\)\.$"),
        (
            {f"c{i}": [0.5] for i in range(20)},
            None,
            r"but c0 \(double\), .*, c3 \(double\), 16 more\. .* numpy\.save\('rows.npy', frame",
        ),
    ],
)
def test_a_column_that_can_not_be_meant_is_refused(columns, column, message, tmp_path):
    path = write_parquet(pyarrow.table(columns), tmp_path / "t")
    with pytest.raises(ValueError, match=message):
        Table(path, column)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1.0, 2.0], [3.0]], "Row 1 has 1 numbers, and the first row 2"),
        ([[1.0, 2.0], None], "Row 1 has 0 numbers"),
        ([[1.0, 2.0], [3.0, None]], "has a null, NaN or infinite number in row 1;"),
        ([[1, 2], [None, 3]], "infinite number in row 1;"),
        ([[1.0, 2.0], [np.nan, 3.0]], "infinite number in row 1;"),
        ([[1.0, 2.0], [3.0, 1e300]], "infinite number in row 1;"),
        ([[1.0, 2.0]] * VECTORS + [[np.inf, 3.0]], f"infinite number in row {VECTORS};"),
        ([None, [1.0]], "no vector in its first row"),
    ],
)
@pytest.mark.parametrize("write", [write_parquet, write_arrow])
def test_rows_that_are_no_vectors_are_named(write, cells, message, tmp_path):
    path = write(pyarrow.table({"z": cells}), tmp_path / "t")
    with pytest.raises(ValueError, match=message):
        Table(path).to_array()


def test_a_row_far_down_is_named_by_its_number(tmp_path):
    path = write_parquet(pyarrow.table({"z": [[1.0, 2.0]] * 4097 + [[3.0, None]]}), tmp_path / "t")
    with pytest.raises(ValueError, match="number in row 4097;"):
        Table(path).to_array()


def test_vectors_are_no_images_and_images_no_vectors(tmp_path):
    path = write_parquet(pyarrow.table(BOTH), tmp_path / "t")
    with pytest.raises(ValueError, match=r"'image' .* holds images; skdeepclust.ImageEmbedder"):
        Table(path, "image").to_array()
    with pytest.raises(ValueError, match=r"'z' .* holds vectors, .* the command cluster the table"):
        Table(path, "z").images()


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no table"):
        Table(str(tmp_path / "none.parquet"))
    for ending in (".parquet", ".arrow", ".feather"):
        for content in (b"", b"PAR1 nothing more", b"ARROW1 nothing more"):
            (tmp_path / f"t{ending}").write_bytes(content)
            with pytest.raises(ValueError, match=r"t\.\w+' can't be read as a table"):
                Table(str(tmp_path / f"t{ending}"))


@pytest.mark.parametrize("write", [write_parquet, write_arrow])
def test_a_file_whose_rows_are_damaged_is_named(write, tmp_path):
    path = write(pyarrow.table({"z": lists(vectors(500, 30))}), tmp_path / "t")
    with open(path, "r+b") as file:
        whole = file.read()
        file.seek(len(whole) // 4)
        file.write(bytes([255]) * (len(whole) // 2))
    with pytest.raises(ValueError, match=r"t\.\w+' can't be read as a table"):
        open_table(path).to_array()


@pytest.mark.parametrize("write", [write_parquet, write_feather, write_arrow])
@pytest.mark.parametrize("ending", [".parquet", ".feather", ".arrow"])
def test_a_file_is_read_as_what_it_is_not_as_what_it_is_called(write, ending, tmp_path):
    path = write(pyarrow.table({"z": lists(vectors())}), tmp_path / "t")
    os.rename(path, tmp_path / f"other{ending}")
    assert (open_table(tmp_path / f"other{ending}").to_array() == vectors()).all()


def test_folders_of_splits_are_refused_with_their_names(tmp_path):
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(ValueError, match=r"holds the splits train, test; .*train'\.$"):
        Table(str(tmp_path))


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"_data_files": 3}'])
def test_a_damaged_folder_is_refused(state, tmp_path):
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(ValueError, match=re.escape("save_to_disk")):
        Table(str(tmp_path))


def test_a_file_of_another_kind_among_those_of_a_folder_is_refused(tmp_path):
    parquet.write_table(pyarrow.table({"z": lists(vectors())}), tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"z": lists(vectors(5, 4))}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"b.parquet' has no column 'z' of fixed_size_list"):
        Table(str(tmp_path))


def test_a_folder_of_images_is_no_table(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "state.json").mkdir()
    assert not is_table(str(tmp_path))
    with pytest.raises(
        ValueError, match=r"is a folder without a Parquet file, .*load_image_folder"
    ):
        open_table(tmp_path)


@pytest.mark.parametrize("image", ["a.JPG", "a.webp", "cats/a.png"])
def test_a_folder_of_images_with_a_table_of_facts_is_no_table(image, tmp_path):
    write_parquet(pyarrow.table({"z": lists(vectors())}), tmp_path / "metadata")
    (tmp_path / "README.md").touch()
    assert is_table(str(tmp_path))
    (tmp_path / image).parent.mkdir(exist_ok=True)
    (tmp_path / image).touch()
    assert not is_table(str(tmp_path))
    assert len(open_table(tmp_path)) == 5  # who asks for the table gets it


def peak_of(work):
    """Bytes that are allocated at most meanwhile, by Python, NumPy and Arrow; what came of it."""
    usual = pyarrow.default_memory_pool()
    own = pyarrow.proxy_memory_pool(usual)
    pyarrow.set_memory_pool(own)
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1] + own.max_memory(), result
    finally:
        tracemalloc.stop()
        pyarrow.set_memory_pool(usual)


def write_in_one_piece(table, path, ending, n_at_once=1024):
    """One group of rows, or one batch: readers must divide it."""
    file = f"{path}{ending}"
    if ending == ".parquet":
        parquet.write_table(table, file, use_dictionary=False, write_batch_size=n_at_once)
    else:
        with pyarrow.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    return file


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_vectors_are_never_in_memory_all_at_once(ending, tmp_path, monkeypatch):
    few = 1024
    monkeypatch.setattr(tables, "VECTORS", few)
    rows = np.random.default_rng(0).normal(size=(16 * few, 32)).astype(np.float32)
    path = write_in_one_piece(pyarrow.table({"z": lists(rows)}), tmp_path / "t", ending)
    peak, found = peak_of(lambda: Table(path).to_array())
    assert peak < rows.nbytes / 2
    assert (found == rows).all()
    assert max(map(len, Table(path).vectors())) <= few


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_images_are_never_in_memory_all_at_once(ending, tmp_path):
    noise = np.random.default_rng(0).bytes(2**14)
    cells = [encoded(i) + noise[i:] + noise[:i] for i in range(16 * IMAGES)]
    path = write_in_one_piece(pyarrow.table({"image": cells}), tmp_path / "t", ending, 16)

    def shades():
        return [read_image(image)[0, 0, 0] for image in Table(path).images()]

    peak, found = peak_of(shades)
    assert peak < sum(map(len, cells)) / 2
    assert found == [i % 256 for i in range(16 * IMAGES)]
