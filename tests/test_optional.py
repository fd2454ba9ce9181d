import re
import subprocess
import sys

import pytest

from skdeepclust import _optional
from skdeepclust._optional import available, optional


@pytest.fixture(autouse=True)
def _forget_probes():
    _optional._probe.cache_clear()
    yield
    _optional._probe.cache_clear()


@pytest.fixture
def make_module(tmp_path, monkeypatch):
    """Write a module that only this test can import."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, source):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(source)
        return name

    before = set(sys.modules)
    yield make
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_a_working_package_is_returned(make_module):
    name = make_module("skd_works", "answer = 42")
    assert available(name)
    assert optional(name, extra="x", purpose="this").answer == 42


def test_a_missing_package_is_an_import_error_that_says_what_to_install():
    assert not available("skd_missing")
    message = (
        "weights='skd' needs the optional package 'skd_missing', which is not installed: "
        "pip install 'skdeepclust[extra]'."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$") as caught:
        optional("skd_missing", extra="extra", purpose="weights='skd'")
    assert caught.value.name == "skd_missing"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_package_that_raises_runtime_error_on_import_is_not_available(make_module):
    name = make_module("skd_broken", "raise RuntimeError('operator does not exist')")
    assert not available(name)
    with pytest.raises(ImportError, match=r"RuntimeError: operator does not exist") as caught:
        optional(name, extra="extra", purpose="this")
    assert "pip install 'skdeepclust[extra]'" in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_package_whose_own_dependency_is_missing_is_called_broken_not_missing(make_module):
    name = make_module("skd_needy", "import skd_missing")
    with pytest.raises(ImportError, match="installed but fails to import"):
        optional(name, extra="extra", purpose="this")


def test_a_torchvision_for_another_torch_gets_the_one_index_cure(make_module):
    torch = pytest.importorskip("torch")
    name = make_module(
        "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    with pytest.raises(ImportError, match="take both from one index") as caught:
        optional(name, extra="vision", purpose="weights='torchvision'")
    message = str(caught.value)
    assert f"does not match torch {torch.__version__}" in message
    assert "pip install 'skdeepclust[vision]'" in message


def test_a_failed_import_is_not_tried_again(make_module):
    source = (
        "import builtins\n"
        "builtins.skd_imports = getattr(builtins, 'skd_imports', 0) + 1\n"
        "raise RuntimeError\n"
    )
    name = make_module("skd_counted", source)
    import builtins

    try:
        for _ in range(3):
            assert not available(name)
            with pytest.raises(ImportError):
                optional(name, extra="extra", purpose="this")
        assert builtins.skd_imports == 1
    finally:
        del builtins.skd_imports


def test_torch_is_imported_before_faiss(tmp_path):
    # In a fresh interpreter with stand-ins, because this one may have torch already.
    for name in ("torch", "faiss"):
        (tmp_path / f"{name}.py").write_text(f"print({name!r})")
    script = (
        f"import sys, importlib.util as u; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"spec = u.spec_from_file_location('opt', {_optional.__file__!r})\n"
        "module = u.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "module.optional('faiss', extra='faiss', purpose='this')\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["torch", "faiss"]
