"""Flags come from signatures; wrong ones are refused."""

import pytest

import skdeepclust
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


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (
            ["report", "R", "x.parquet"],
            "usage: skdeepclust report OUT [--folder DIR]\nskdeepclust report: error: unrecognized "
            "arguments: x.parquet; --folder DIR says where the images, or their table, are now\n",
        ),
        (["predict", "R", "a", "b"], "skdeepclust predict: error: unrecognized arguments: b\n"),
        (["report", "R", "--no"], "skdeepclust report: error: unrecognized arguments: --no\n"),
    ],
)
def test_what_a_command_does_not_take_is_told_with_its_own_usage(argv, told, capsys):
    with pytest.raises(SystemExit):
        main(argv)
    assert capsys.readouterr().err.endswith(told)


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
        ["sing"],
        ["cluster"],
        ["cluster", "a", "-k", "many"],
        ["cluster", "a", "-k", "0"],
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


def test_wrong_flags_are_told_in_few_lines(capsys):
    with pytest.raises(SystemExit):
        main(["cluster", "a", "--no-such"])
    assert len(capsys.readouterr().err.splitlines()) <= 3


def test_bare_command_shows_its_help(capsys):
    assert main([]) == 0
    assert "{cluster,refine,add,predict,report,embed}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"skdeepclust {skdeepclust.__version__}\n"


def help_of(*argv, capsys):
    with pytest.raises(SystemExit):
        main([*argv, "--help"])
    return capsys.readouterr().out


def test_help_begins_with_what_one_needs_first(capsys):
    first, rest = help_of("cluster", capsys=capsys).split("\nimages:\n")
    needed = ["-k K", "--out", "--method", "--encoder", "--overwrite"]
    assert all(f"\n  {flag}" in first for flag in needed)
    assert "--sort-into" not in first
    assert "--method auto:" in rest


@pytest.mark.parametrize("argv", [[], ["cluster"], ["predict"], ["report"]])
def test_help_fits_on_a_screen(argv, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert len(help_of(*argv, capsys=capsys).splitlines()) <= 50


@pytest.mark.parametrize("method", ["secu", "dec", "scan", "turtle"])
def test_help_of_a_method_has_no_equations_and_no_code(method, capsys):
    text = help_of("cluster", "--method", method, capsys=capsys)
    assert "--batch-size" in text
    assert "Eq" not in text
    assert "`" not in text
    assert "n_clusters" not in text
