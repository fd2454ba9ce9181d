"""Flags come from signatures; wrong ones are refused."""

import pytest

from skdeepclust.cli import main
from skdeepclust.cli.flags import literal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50", 50),
        ("1e-3", 0.001),
        ("(500, 10)", (500, 10)),
        ("500,10", (500, 10)),
        ("None", None),
        ("auto", "auto"),
        ("timm:vit", "timm:vit"),
        ("007", "007"),
        ("__import__('os')", "__import__('os')"),
    ],
)
def test_values_are_literals_or_text(text, value):
    assert literal(text) == value


def test_new_method_gets_its_flags_for_nothing(toy, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["cluster", *toy, "--help"])
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--batch-size VALUE Images at once; 50% of what fits. (default: 8)" in text
    assert "--random-state" not in text
    assert "--verbose" not in text


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["sing"],
        ["cluster", "a", "--out", "b"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "none"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--no-such", "1"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--batch", "1"],
        ["cluster", "a", "--out", "b", "--n-clusters", "2", "--method", "toy", "--seed", "x"],
    ],
)
def test_wrong_arguments_exit_with_2(toy, argv, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(argv)
    assert exit_.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_auto_has_no_flag_that_one_of_its_methods_would_not_hear(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):  # an alpha of SeCu is not one of DECS
        main(["cluster", str(folder), "-k", "2", "--out", str(tmp_path / "out"), "--alpha", "3"])
    assert "--alpha" in capsys.readouterr().err
