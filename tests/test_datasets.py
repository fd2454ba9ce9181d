import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

from skdeepclust.data.folders import LEADS_OUT
from skdeepclust.data.images import ImageReadError, read_image, read_images, resolve_image_shape
from skdeepclust.datasets import load_image_folder, make_digits_folder


def put(root, *names):
    """Write a tiny image at each of the relative paths."""
    for i, name in enumerate(names):
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 3), i).save(path, "PNG")
    return root


def relative(root, paths):
    return [os.path.relpath(path, root).replace(os.sep, "/") for path in paths]


@pytest.fixture(autouse=True)
def unexpected_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# --- load_image_folder: paths


def test_paths_are_sorted_whatever_the_file_system_says(tmp_path, monkeypatch):
    names = ["b/2.png", "a/z.png", "a b/1.png", "b/10.png", "a/sub/y.png", "B/1.png"]
    put(tmp_path, *names)
    expected = ["B/1.png", "a/sub/y.png", "a/z.png", "a b/1.png", "b/10.png", "b/2.png"]
    real = os.scandir

    class Shuffled:
        def __init__(self, path):
            with real(path) as scan:
                self.entries = sorted(scan, key=lambda e: e.name, reverse=self.backwards)

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *error):
            pass

    for backwards in (False, True):
        Shuffled.backwards = backwards
        monkeypatch.setattr(os, "scandir", Shuffled)
        folder = load_image_folder(tmp_path)
        assert relative(tmp_path, folder.paths) == expected


def test_data_can_be_indexed_and_read(tmp_path):
    put(tmp_path, "a/1.png", "b/2.png", "b/3.png")
    folder = load_image_folder(str(tmp_path))
    assert folder.data is folder.paths
    assert folder.data.dtype == object
    assert folder.data.shape == (3,)
    assert all(type(path) is str for path in folder.data)
    chosen = folder.data[folder.target == 1]
    assert_array_equal(read_images(chosen, (3, 3))[:, 0, 0], [1, 2])


def test_relative_folder_gives_relative_paths(tmp_path, monkeypatch):
    put(tmp_path, "here/a.png")
    monkeypatch.chdir(tmp_path)
    assert list(load_image_folder("here").data) == [os.path.join("here", "a.png")]
    assert list(load_image_folder(".").data) == [os.path.join(".", "here", "a.png")]


def test_n_jobs_changes_nothing(tmp_path):
    put(tmp_path, *(f"{i % 3}/{i}.png" for i in range(12)))
    (tmp_path / "0" / "x.png").touch()
    one = load_image_folder(tmp_path, on_error="skip")
    three = load_image_folder(tmp_path, on_error="skip", n_jobs=3)
    assert_array_equal(one.data, three.data)
    assert_array_equal(one.target, three.target)
    assert one.skipped == three.skipped != []


# --- load_image_folder: labels


def test_class_folders_give_labels(tmp_path):
    put(tmp_path, "rose/1.png", "daisy/1.png", "daisy/2.png", "rose/deep/er/3.png")
    folder = load_image_folder(tmp_path)
    assert folder.target_names == ["daisy", "rose"]
    assert_array_equal(folder.target, [0, 0, 1, 1])
    assert folder.target.dtype == np.int64
    X, y = load_image_folder(tmp_path, return_X_y=True)
    assert_array_equal(X, folder.data)
    assert_array_equal(y, folder.target)


def test_image_at_the_top_means_no_labels(tmp_path):
    folder = load_image_folder(put(tmp_path, "a/1.png", "b/1.png", "loose.png"))
    assert folder.target is None
    assert folder.target_names is None
    assert len(folder.data) == 3
    assert load_image_folder(tmp_path, return_X_y=True)[1] is None


def test_flat_folder_has_no_labels(tmp_path):
    assert load_image_folder(put(tmp_path, "1.png", "2.png")).target is None


def test_other_files_at_the_top_do_not_cost_the_labels(tmp_path):
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "README.txt").write_text("about these images")
    folder = load_image_folder(tmp_path, on_error="skip")
    assert_array_equal(folder.target, [0, 1])


def test_folder_without_readable_image_is_no_class(tmp_path):
    put(tmp_path, "a/1.png", "c/1.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "empty.png").touch()
    (tmp_path / "nothing").mkdir()
    folder = load_image_folder(tmp_path, on_error="skip")
    assert folder.target_names == ["a", "c"]
    assert_array_equal(folder.target, [0, 1])


# --- load_image_folder: files that are no images


def test_hidden_files_and_litter_are_ignored_silently(tmp_path):
    put(tmp_path, "a/1.png", "a/.hidden.png", ".thumbnails/1.png", "__MACOSX/a/1.png")
    for name in ["._1.png", ".DS_Store", "Thumbs.db", "desktop.ini", "DESKTOP.INI"]:
        (tmp_path / "a" / name).write_bytes(b"litter")
    folder = load_image_folder(tmp_path, on_error="raise")
    assert relative(tmp_path, folder.data) == ["a/1.png"]
    assert folder.skipped == []


def test_a_hidden_folder_can_be_loaded_itself(tmp_path):
    put(tmp_path, ".cache/a.png")
    assert len(load_image_folder(tmp_path / ".cache").data) == 1


def test_content_decides_what_is_an_image(tmp_path):
    put(tmp_path, "picture.txt", "picture", "UPPER.PNG", "wrong.jpg")
    assert len(load_image_folder(tmp_path, on_error="raise").data) == 4


@pytest.fixture
def messy(tmp_path):
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "empty.jpg").touch()
    (tmp_path / "b" / "notes.csv").write_text("x,y\n1,2\n")
    return tmp_path


def test_skip_leaves_out_silently_but_reports(messy):
    folder = load_image_folder(messy, on_error="skip")
    assert relative(messy, folder.data) == ["a/1.png", "b/1.png"]
    assert folder.skipped == [
        (str(messy / "a" / "empty.jpg"), "the file is empty (0 bytes)"),
        (str(messy / "b" / "notes.csv"), "its content is not an image, or its header is damaged"),
    ]


def test_warn_says_how_many_which_and_why(messy):
    with pytest.warns(UserWarning, match="left out") as caught:
        folder = load_image_folder(messy)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert message.startswith(f"2 of 4 files in {str(messy)!r} are left out: ")
    for path, reason in folder.skipped:
        assert f"{path!r} ({reason})" in message


def test_warning_lists_five_files_at_most(tmp_path):
    put(tmp_path, "ok.png")
    for i in range(8):
        (tmp_path / f"{i}.png").touch()
    with pytest.warns(UserWarning, match=r"^8 of 9 files .*; and 3 more\.$") as caught:
        load_image_folder(tmp_path)
    assert str(caught[0].message).count("0 bytes") == 5


def test_raise_names_the_first(messy):
    with pytest.raises(ImageReadError, match=r"empty\.jpg': the file is empty"):
        load_image_folder(messy, on_error="raise")


@pytest.mark.parametrize("value", ["ignore", None, True])
def test_bad_on_error_is_named(tmp_path, value):
    with pytest.raises(ValueError, match=f"on_error should be .*'skip'; got {value!r}"):
        load_image_folder(put(tmp_path, "a.png"), on_error=value)


def test_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="there is no readable image in"):
        load_image_folder(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"no readable image .*a\.png' \(the file is empty"):
        load_image_folder(tmp_path, on_error="skip")


def test_missing_folder_and_file_instead_of_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'\."):
        load_image_folder(tmp_path / "nowhere")
    put(tmp_path, "a.png")
    with pytest.raises(NotADirectoryError, match=r"a\.png' is a file"):
        load_image_folder(tmp_path / "a.png")


# --- load_image_folder: links and names


@pytest.fixture
def can_link(tmp_path):
    try:
        os.symlink(tmp_path, tmp_path / "probe", target_is_directory=True)
    except (OSError, NotImplementedError):
        pytest.skip("this file system has no symbolic links")
    os.unlink(tmp_path / "probe")


@pytest.mark.timeout(20)
@pytest.mark.usefixtures("can_link")
def test_links_in_a_circle_end(tmp_path):
    root = put(tmp_path / "root", "a/1.png", "b/1.png")
    os.symlink(root, root / "a" / "up", target_is_directory=True)
    os.symlink(root / "b", root / "c", target_is_directory=True)
    os.symlink(root / "self", root / "self")
    folder = load_image_folder(root, on_error="skip")
    assert relative(root, folder.data) == ["a/1.png", "b/1.png"]
    assert [reason for _, reason in folder.skipped] == [
        "it is a symbolic link to a folder, which is not followed",
        "it is a symbolic link to a folder, which is not followed",
        "it is a broken symbolic link",
    ]


@pytest.mark.usefixtures("can_link")
def test_links_are_read_inside_the_folder_only(tmp_path):
    put(tmp_path, "outside/1.png", "root/a/1.png", "rooted.png")
    root = tmp_path / "root"
    os.symlink(root / "a" / "1.png", root / "a" / "inside.png")
    os.symlink(tmp_path / "rooted.png", root / "a" / "out_file.png")
    os.symlink(tmp_path / "outside", root / "out_folder", target_is_directory=True)
    os.symlink(tmp_path / "gone.png", root / "a" / "broken.png")
    folder = load_image_folder(root, on_error="skip")
    assert relative(root, folder.data) == ["a/1.png", "a/inside.png"]
    outside = LEADS_OUT
    assert [reason for _, reason in folder.skipped] == [
        "it is a broken symbolic link",
        outside,
        outside,
    ]


@pytest.mark.usefixtures("can_link")
def test_the_folder_itself_may_be_a_link(tmp_path):
    put(tmp_path / "real", "a/1.png")
    os.symlink(tmp_path / "real" / "a" / "1.png", tmp_path / "real" / "a" / "2.png")
    os.symlink(tmp_path / "real", tmp_path / "link", target_is_directory=True)
    folder = load_image_folder(tmp_path / "link", on_error="raise")
    assert relative(tmp_path, folder.data) == ["link/a/1.png", "link/a/2.png"]


def test_names_in_any_script_and_with_spaces(tmp_path):
    put(tmp_path, "подсолнух/été 1.png", "花/b.png")
    folder = load_image_folder(tmp_path)
    assert folder.target_names == ["подсолнух", "花"]
    assert read_images(folder.data, (3, 3)).shape == (2, 3, 3)


def test_name_that_is_not_utf_8(tmp_path):
    put(tmp_path, "a.png")
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    empty = os.fsencode(tmp_path) + b"/vid\xe9.png"
    try:
        os.rename(os.fsencode(tmp_path / "a.png"), name)
        with open(empty, "wb"):
            pass
    except (OSError, UnicodeError):
        pytest.skip("this file system has UTF-8 names only")
    with pytest.warns(UserWarning, match="left out") as caught:
        folder = load_image_folder(tmp_path)
    assert [os.fsencode(path) for path in folder.data] == [name]
    assert read_image(folder.data[0]).shape == (3, 3)
    str(caught[0].message).encode("utf-8")  # can be printed


def test_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    put(tmp_path, "a/1.png", "locked/1.png")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    folder = load_image_folder(tmp_path, on_error="skip")
    assert relative(tmp_path, folder.data) == ["a/1.png"]
    assert folder.skipped == [
        (str(tmp_path / "locked"), "the folder cannot be listed (Permission denied)")
    ]


# --- make_digits_folder


def test_digits_folder_holds_the_digits(tmp_path):
    root = make_digits_folder(tmp_path / "new" / "digits")
    assert root == str(tmp_path / "new" / "digits")
    folder = load_image_folder(root, on_error="raise")
    assert folder.target_names == [str(d) for d in range(10)]
    assert resolve_image_shape(folder.data) == (8, 8)
    digits = load_digits()
    index = np.array([int(Path(path).stem) for path in folder.data])
    assert_array_equal(np.sort(index), np.arange(1797))
    assert_array_equal(folder.target, digits.target[index])
    images = read_images(folder.data, (8, 8))
    assert_array_equal(images, np.rint(digits.images[index] * 255 / 16))
    assert Path(folder.data[0]).parts[-2:] == ("0", "0000.png")

    # Its own output may be written again, which repairs it.
    Path(folder.data[5]).write_bytes(b"")
    make_digits_folder(root)
    assert_array_equal(read_image(folder.data[5]), images[5])


def test_digits_folder_does_not_touch_other_files(tmp_path):
    put(tmp_path, "0/0000.png")
    before = (tmp_path / "0" / "0000.png").read_bytes()
    with pytest.raises(FileExistsError, match="holds other files"):
        make_digits_folder(tmp_path)
    with pytest.raises(FileExistsError, match="is a file"):
        make_digits_folder(tmp_path / "0" / "0000.png")
    assert relative(tmp_path, tmp_path.rglob("*.*")) == ["0/0000.png"]
    assert (tmp_path / "0" / "0000.png").read_bytes() == before


# Pixels in one pass


def test_pixels_are_those_that_a_fit_would_read(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        image = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "0a.png").write_bytes(b"no image")
    half = (tmp_path / "1.png").read_bytes()[:200]
    (tmp_path / "1a.png").write_bytes(half)
    folder = load_image_folder(tmp_path, image_shape="auto", on_error="skip")
    assert folder.data.shape == (4, 12, 9, 3)
    assert (folder.data == read_images(folder.paths, (12, 9, 3))).all()
    assert [os.path.basename(path) for path, _ in folder.skipped] == ["0a.png", "1a.png"]
    smaller = load_image_folder(tmp_path, image_shape=(6, 6), on_error="skip")
    assert smaller.data.shape == (4, 6, 6)
    assert smaller.skipped == folder.skipped


def test_wrong_image_shape_is_named(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match="image_shape should be a tuple, 'auto' or None"):
        load_image_folder(tmp_path, image_shape="automatic")


def test_ignored_files_are_named_but_no_error(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "0.png")
    for name in (".DS_Store", "._0.png", "Thumbs.db", ".secret.png"):
        (tmp_path / name).write_bytes(b"anything")
    folder = load_image_folder(tmp_path, on_error="raise")
    assert [(os.path.basename(path), reason) for path, reason in folder.ignored] == [
        (".DS_Store", "left behind by an operating system"),
        ("._0.png", "left behind by an operating system"),
        (".secret.png", "hidden"),
        ("Thumbs.db", "left behind by an operating system"),
    ]
    assert folder.skipped == []
