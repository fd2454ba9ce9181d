"""What the documents teach: every piece of code runs by itself, and sentences can be read."""

import re
import warnings
import webbrowser
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from commands import write_folder

from skdeepclust.engine.trainer import Trainer

ROOT = Path(__file__).parent.parent
TAUGHT = ["README.md", *(f"docs/{name}.md" for name in ("index", "user_guide", "coming_from"))]
TAUGHT += ["docs/folders.md", "docs/inputs.md", "docs/faq.md"]
READ = ["README.md", "docs/user_guide.md", "docs/folders.md", "docs/faq.md", "docs/inputs.md"]
READ += ["docs/coming_from.md", "CONTRIBUTING.md"]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def snippets():
    """Each block of Python that is ours, by document and number."""
    for name in TAUGHT:
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", text_of(name), re.S)):
            if "skdeepclust" in block:
                yield pytest.param(block, id=f"{name}-{number}")


def import_what_is_needed(code):
    """Skip code that needs another package than ours where that is missing."""
    for package in ("bertopic", "matplotlib", "onnxruntime"):
        if package in code:
            pytest.importorskip(package)


@pytest.fixture
def short_of_everything(monkeypatch, tmp_path, mean_colour):
    """Two steps of each phase, 200 digits, 24 images in photos/, 60 rows in vectors.npy."""
    pytest.importorskip("matplotlib").use("Agg")
    digits = sklearn.datasets.load_digits()
    digits.images, digits.data, digits.target = digits.images[:200], digits.data[:200], None
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda **_: digits)
    over = Trainer._finished
    monkeypatch.setattr(
        Trainer, "_finished", staticmethod(lambda run: over(run) or run.epoch > 0 or run.step > 1)
    )
    monkeypatch.setattr(webbrowser, "open", lambda *_: True)
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos")
    rows, _ = sklearn.datasets.make_blobs(60, n_features=5, centers=3, random_state=0)
    np.save("vectors.npy", rows.astype(np.float32))


@pytest.mark.parametrize("code", list(snippets()))
def test_code_runs_by_itself(code, short_of_everything):
    import_what_is_needed(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two steps teach little, and the fits say so
        exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})


# --- Sentences ----------------------------------------------------------------------------------


def prose(text):
    """Paragraphs and items of a list, each as one line of words: no code, tables or links."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.S | re.M)
    text = re.sub(r"^(#|\||!|<).*$", "", text, flags=re.M)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "code", text)
    text = re.sub(r"^\s*([-*]|\d+\.) ", "\n", text, flags=re.M)
    parts = (" ".join(part.split()) for part in text.split("\n\n"))
    return [part.replace("**", "") for part in parts if part]


def sentences(text):
    """Sentences of the prose, as lists of words."""
    for part in prose(text):
        for sentence in re.split(r"(?<=[.?!:;])\s+", part):
            if words := re.findall(r"\w[\w'’.,-]*", sentence):
                yield words


def test_sentences_are_told_apart():
    text = (
        "# Head\n\nOne `x.y` two. Three\nfour? [Five](six.md).\n\n- a b\n- c\n\n```\nno. no.\n```\n"
    )
    assert [len(words) for words in sentences(text)] == [3, 2, 1, 2, 1]


@pytest.mark.parametrize("name", READ)
def test_sentences_are_short(name):
    lengths = sorted(len(words) for words in sentences(text_of(name)))
    assert sum(lengths) / len(lengths) <= 14
    assert lengths[-1] <= 40


@pytest.mark.parametrize("name", READ)
def test_decimals_are_left_to_the_results(name):
    words = re.sub(r"```.*?```", "", text_of(name), flags=re.S).split()
    decimals = [word for word in words if re.search(r"\d\.\d", word)]
    limit = 15 if name == "README.md" else len(words) / 100
    assert len(decimals) <= limit, decimals


NOT_THE_FIELDS_WORDS = r"is told\b|are told\b|\bwhom\b|those of them\b|than nobody|as it is\b"


@pytest.mark.parametrize("name", READ)
def test_words_are_those_of_the_field(name):
    text = re.sub(r"```.*?```", "", text_of(name), flags=re.S)
    assert re.findall(NOT_THE_FIELDS_WORDS, text) == []
