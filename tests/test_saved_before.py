"""Files that users have saved stay readable, and predict what they did on the day of writing.

The files in ``saved/`` and their ``expected.json`` were written by skdeepclust 0.1.0 (file format
1), before the package was divided into wings. They stand for the files of users, so they are never
written anew: a change that breaks one needs a reader of the old form, not a new file. Files of a
later format are added beside them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skdeepclust

SAVED = Path(__file__).parent / "saved"
EXPECTED = json.loads((SAVED / "expected.json").read_text(encoding="utf-8"))
FILES = EXPECTED["files"]
ROWS = {
    "vectors": np.array(EXPECTED["rows"]["vectors"]),
    "images": np.array(EXPECTED["rows"]["images"], dtype=np.uint8),
}


def test_every_file_has_its_expectation():
    assert {path.name for path in SAVED.glob("*.skdc")} == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_a_saved_file_predicts_what_it_did(file):
    known = FILES[file]
    rows = ROWS[known["rows"]]
    model = skdeepclust.load(SAVED / file)
    assert type(model).__name__ == known["class"]
    if "labels" in known:
        np.testing.assert_array_equal(model.predict(rows), known["labels"])
        np.testing.assert_allclose(model.predict_proba(rows), known["proba"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.transform(rows), known["embedding"], rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("file", FILES)
def test_what_a_file_held_can_be_fitted_anew(file):
    known = FILES[file]
    rows = ROWS[known["rows"]]
    model = skdeepclust.load(SAVED / file)
    twin = clone(model)
    model.fit(rows)
    np.testing.assert_array_equal(model.transform(rows), twin.fit(rows).transform(rows))
    if "labels" in known:
        np.testing.assert_array_equal(model.labels_, model.predict(rows))
