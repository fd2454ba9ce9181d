"""A make-believe GPU: it finds device mistakes, and waits for the device, on a CPU.

::

    with FakeGPU() as gpu:  # torch.cuda.is_available() is true in here
        DECClustering(10, device="cuda").fit(X)  # raises where a real GPU would raise
    gpu.waits  # how often the host waited for the device, by what and where

All tensors stay on the CPU. Those that were made on, or moved to, "cuda" have their storage in a
table. A `TorchFunctionMode` answers ``x.device``, ``x.to()``, ``x.numpy()`` and factories
accordingly. A `TorchDispatchMode` sees each operation, those of the backward pass too, and raises
`DeviceMistake` where one

* has tensors of both devices, other than scalars and indices on the CPU,
* draws with a generator of the other device, or restores one from the state of the other,
* turns a tensor on the GPU into NumPy,
* steps a fused optimiser whose weights, gradients and moments lie differently in memory.

A wait is what would hold the host up until the device has done all that it was told: to read a
number, to copy without ``non_blocking=True``, or to learn the size of a result.

It can't see kernels (accuracy, atomics, limits), streams, memory, ``torch.compile``, several GPUs,
or what other threads do on the device.
"""

import collections
import contextlib
import hashlib
import io
import sys
import types
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import skdeepclust

PACKAGE = str(Path(skdeepclust.__file__).parent)
CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")

COPIES = {"aten::copy_", "aten::_to_copy", "aten::set_", "aten::_copy_from"}
INDEXING = {
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
    "aten::_index_put_impl_",
    "aten::_unsafe_index",
}
# The size of the result, or the result, is data that the host needs.
WAITING = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::argwhere",
    "aten::masked_select",
    "aten::masked_scatter",
    "aten::masked_scatter_",
    "aten::_unique",
    "aten::_unique2",
    "aten::unique_dim",
    "aten::unique_consecutive",
    "aten::bincount",
    "aten::histc",
    "aten::equal",
    "aten::is_nonzero",
    "aten::repeat_interleave",
    "aten::_linalg_eigh",
    "aten::linalg_eig",
}
READING = {
    "item",
    "tolist",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "__complex__",
    "__contains__",
    "__repr__",
    "__str__",
    "__format__",
}
FUSED = "aten::_fused_"
MARK = b"of a make-believe GPU"  # at the end of its generators' states


class DeviceMistake(RuntimeError):
    """What would be an error on a GPU."""


class Storages:
    """A set of tensors' storages, held weakly."""

    def __init__(self):
        self._held = {}

    def __contains__(self, tensor):
        try:
            held = self._held.get(tensor.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):
            return False  # a sparse tensor has no storage
        return held is not None and not held.expired()

    def add(self, tensor):
        if len(self._held) > 20_000:
            self._held = {key: ref for key, ref in self._held.items() if not ref.expired()}
        storage = tensor.untyped_storage()
        self._held[storage._cdata] = StorageWeakRef(storage)  # keeps the address from others

    def discard(self, tensor):
        self._held.pop(tensor.untyped_storage()._cdata, None)


ON_GPU, PINNED = Storages(), Storages()


@contextlib.contextmanager
def unseen():
    """Neither mode sees what is done in here."""
    guard = torch._C._DisableTorchDispatch()
    try:
        with torch._C.DisableTorchFunction():
            yield
    finally:
        del guard


def is_on_gpu(tensor):
    """Whether a tensor is on the make-believe GPU."""
    with unseen():
        return isinstance(tensor, Tensor) and tensor in ON_GPU


def put(tree, on_gpu):
    """Say of all tensors in a tree where they are; return the tree."""
    with unseen():
        for tensor in tensors_in(tree):
            if tensor.device.type == "cpu":
                (ON_GPU.add if on_gpu else ON_GPU.discard)(tensor)
    return tree


def tensors_in(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def means_gpu(device):
    return device is not None and torch.device(device).type == "cuda"


class FakeGenerator(torch.Generator):
    """``torch.Generator("cuda")``: draws on the CPU, but says where it belongs."""

    def __new__(cls, device="cpu"):
        made = super().__new__(cls, "cpu")
        made.on_gpu = means_gpu(device)
        return made

    def __init__(self, device="cpu"):
        pass

    @property
    def device(self):
        return CUDA if self.on_gpu else CPU

    def get_state(self):
        state = super().get_state()
        if not self.on_gpu:
            return state
        return torch.cat([state, torch.frombuffer(bytearray(MARK), dtype=torch.uint8)])

    def set_state(self, state):
        if is_on_gpu(state):
            raise DeviceMistake("RNG state must be a torch.ByteTensor (on the CPU)")
        if self.on_gpu:
            if bytes(state[-len(MARK) :].tolist()) != MARK:
                raise DeviceMistake("RNG state is wrong size: a CPU generator's, for a CUDA one")
            state = state[: -len(MARK)].clone()
        return super().set_state(state)


# --- What Python code asks of tensors ---------------------------------------------------------


class Functions(TorchFunctionMode):
    """Attributes, moves, and factories of tensors."""

    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name, first = getattr(func, "__name__", ""), args[0] if args else None
        if name == "__get__":
            return self.attribute(func, first)
        if name in ("__set__", "set_", "set_data"):
            return func(*args, **kwargs)
        if isinstance(first, Tensor):
            if name in ("to", "cuda", "cpu"):
                return self.move(name, first, args[1:], kwargs)
            if name == "is_pinned":
                return first in PINNED
            if name == "get_device":
                return 0 if is_on_gpu(first) else -1
            if name == "__deepcopy__":
                return put(func(*args, **kwargs), is_on_gpu(first))
            if name in ("numpy", "__array__") and is_on_gpu(first):
                self.gpu.mistake("can't convert cuda:0 device type tensor to numpy")
            if name in READING and is_on_gpu(first):
                self.gpu.wait(name.strip("_"))
                with self.gpu.quiet():
                    return func(*args, **kwargs)
        return self.call(func, name, args, kwargs)

    def attribute(self, func, tensor):
        asked = getattr(func.__self__, "__name__", "")
        if asked in ("device", "is_cuda", "is_cpu") and is_on_gpu(tensor):
            return {"device": CUDA, "is_cuda": True, "is_cpu": False}[asked]
        return func(tensor)

    def move(self, name, x, args, kwargs):
        """``to``, ``cuda`` and ``cpu``; a copy between devices is a clone here."""
        device, dtype, blocks, copy, layout = self.wishes(name, args, kwargs)
        here = is_on_gpu(x)
        there = here if device is None else means_gpu(device)
        more = {} if layout is None else {"memory_format": layout}
        if here == there:
            out = x.to(dtype or x.dtype, copy=copy, **more)
            return out if out is x else put(out, there)
        # To the host a copy that doesn't block may be read too early: it is made to block.
        if blocks or here:
            self.gpu.wait("copy to the CPU" if here else "copy to the GPU")
        with self.gpu.quiet():
            out = x.clone(**more) if dtype is None else x.to(dtype, copy=True, **more)
        return put(out, there)

    def wishes(self, name, args, kwargs):
        """Device, dtype, whether to block, whether to copy, and layout."""
        layout = kwargs.pop("memory_format", None)
        if name != "to":
            blocks = not kwargs.get("non_blocking", False)
            return (CUDA if name == "cuda" else CPU), None, blocks, False, layout
        copy = kwargs.pop("copy", False)
        like = kwargs.pop("other", args[0] if args and isinstance(args[0], Tensor) else None)
        if like is not None:
            found = torch._C._nn._parse_to(like.dtype, *args[1:], **kwargs)
            device = CUDA if is_on_gpu(like) else CPU
        else:
            found = torch._C._nn._parse_to(*args, **kwargs)
            device = found[0]
        return device, found[1], not found[2], copy, found[3] or layout

    def call(self, func, name, args, kwargs):
        """Any other function: factories on the device, generators, and what they start."""
        given = tensors_in((args, kwargs))
        any_on_gpu = any(map(is_on_gpu, given))
        device = kwargs.get("device")
        makes_on_gpu = any_on_gpu if device is None else means_gpu(device)
        if device is not None and makes_on_gpu:
            kwargs["device"] = CPU
        self.check_generators(name, (args, kwargs), makes_on_gpu)
        with self.gpu.inside(any_on_gpu):
            if name == "one_hot" and any_on_gpu:  # a CPU, but no GPU, looks at the labels
                if kwargs.get("num_classes", args[1] if len(args) > 1 else -1) == -1:
                    self.gpu.wait("one_hot without num_classes")
                with self.gpu.quiet():
                    return func(*args, **kwargs)
            out = func(*args, **kwargs)
        if device is not None or (name == "new_tensor" and any_on_gpu):
            put([t for t in tensors_in(out) if all(t is not old for old in given)], makes_on_gpu)
        of_numbers = name == "new_tensor" or not any_on_gpu
        if name in ("tensor", "as_tensor", "new_tensor") and makes_on_gpu and of_numbers:
            self.gpu.wait("numbers to the GPU")
        return out

    def check_generators(self, name, tree, makes_on_gpu):
        for leaf in tree_leaves(tree):
            if isinstance(leaf, torch.Generator):
                on_gpu = getattr(leaf, "on_gpu", False)
                if on_gpu != makes_on_gpu:
                    wanted, found = ("cuda", "cpu") if makes_on_gpu else ("cpu", "cuda")
                    self.gpu.mistake(f"{name}: expected a {wanted} generator but found {found}")


# --- What happens below autograd --------------------------------------------------------------


class Operations(TorchDispatchMode):
    """Each operation: who takes part, and whether the host must wait for it."""

    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name
        tensors = [t for t in tensors_in((args, kwargs)) if t.device.type == "cpu"]
        on_gpu = [t in ON_GPU for t in tensors]
        if any(on_gpu) and not all(on_gpu):
            self.check_mixture(name, args, tensors, on_gpu)
        if name.startswith(FUSED):
            self.check_layouts(name, args)
        if any(on_gpu) and not self.gpu.is_quiet and self.must_wait(name, args):
            self.gpu.wait(name.removeprefix("aten::").strip("_"))
        out = func(*args, **kwargs)
        if name != "aten::copy_" and (any(on_gpu) or (not tensors and self.gpu.is_inside)):
            for t in tensors_in(out):
                if t.device.type == "cpu" and t not in ON_GPU:
                    ON_GPU.add(t)
        return out

    def check_mixture(self, name, args, tensors, on_gpu):
        """Tensors of both devices meet in an operation."""
        if name == "aten::copy_":
            fills = on_gpu[0] and not tensors[1].dim()  # with a number
            if not fills and args[2:3] != (True,) and not self.gpu.is_quiet:
                self.gpu.wait("copy_")
        elif name in INDEXING:
            indices = [t for t in args[1] if t is not None]
            rest = [t for t in tensors if all(t is not i for i in indices)]
            if args[0] not in ON_GPU or any(t.dim() and t not in ON_GPU for t in rest):
                self.gpu.mistake(f"{name}: indices or values are on another device")
            elif any(i not in ON_GPU for i in indices) and not self.gpu.is_quiet:
                self.gpu.wait("index on the CPU")
        elif name not in COPIES:
            odd = [tuple(t.shape) for t in tensors if t.dim() and t not in ON_GPU]
            if odd:
                self.gpu.mistake(f"{name}: tensors of shapes {odd} are on the CPU, others aren't")

    def check_layouts(self, name, args):
        """Fused steps go through memory: a GPU refuses, and a CPU steps the wrong weights."""
        lists = [a for a in args if isinstance(a, list | tuple) and tensors_in(a)]
        for of_weight in zip(*(a for a in lists if len(a) == len(args[0])), strict=True):
            ways = {
                tuple(step for step, size in zip(t.stride(), t.shape, strict=True) if size > 1)
                for t in of_weight
                if t.dim() == of_weight[0].dim()
            }
            if len(ways) > 1:
                self.gpu.mistake(f"{name}: weights, gradients and moments differ in layout")

    def must_wait(self, name, args):
        if name in WAITING:
            return True
        masks = name in INDEXING and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        fills = name.startswith("aten::index_put") and args[2].numel() == 1
        return masks and not fills


# --- The context ------------------------------------------------------------------------------


class FakeGPU:
    """A context in which ``device="cuda"`` works, more or less; see the module.

    Parameters
    ----------
    free_bytes : int
        What ``torch.cuda.mem_get_info`` says; with 0 no data fits, and batches are read ahead.
    capability : (int, int)
        (7, 5) has no bfloat16 of its own.
    """

    def __init__(self, *, free_bytes=2**36, capability=(9, 0)):
        self.free_bytes, self.capability = free_bytes, capability
        self.waits = collections.Counter()  # (what, where) -> times
        self.mistakes = []
        self.is_quiet = self.is_inside = False
        self._saved = {}  # hash of a file -> which of its tensors were on the GPU

    def wait(self, what):
        if not self.is_quiet:
            self.waits[what, where()] += 1

    def mistake(self, text):
        self.mistakes.append(f"{text} [{where()}]")
        raise DeviceMistake(self.mistakes[-1])

    @contextlib.contextmanager
    def quiet(self):
        """What happens in here is no wait of its own."""
        before, self.is_quiet = self.is_quiet, True
        try:
            yield
        finally:
            self.is_quiet = before

    @contextlib.contextmanager
    def inside(self, on_gpu):
        """What functions make from nothing in here is where their arguments are."""
        before, self.is_inside = self.is_inside, self.is_inside or on_gpu
        try:
            yield
        finally:
            self.is_inside = before

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._replace_torch()
        self._stack.enter_context(Operations(self))
        self._stack.enter_context(Functions(self))
        return self

    def __exit__(self, kind, *error):
        self._stack.__exit__(kind, *error)
        if self.mistakes and kind is None:
            raise DeviceMistake(f"somebody caught it: {self.mistakes}")

    def _replace(self, owner, **new):
        for name, value in new.items():
            self._stack.enter_context(mock.patch.object(owner, name, value, create=True))

    def _replace_torch(self):
        generator = FakeGenerator("cuda")
        generator.manual_seed(0)
        stream = types.SimpleNamespace(is_capturing=lambda: False, synchronize=lambda: None)
        self._replace(
            torch.cuda,
            is_available=lambda: True,
            device_count=lambda: 1,
            current_device=lambda: 0,
            mem_get_info=lambda device=None: (self.free_bytes, 2**37),
            get_device_capability=lambda device=None: self.capability,
            get_device_name=lambda device=None: "make-believe",
            manual_seed=generator.manual_seed,
            manual_seed_all=generator.manual_seed,
            get_rng_state=lambda device=None: generator.get_state(),
            set_rng_state=lambda state, device=None: generator.set_state(state),
            device=lambda device: contextlib.nullcontext(),
            synchronize=lambda device=None: self.wait("synchronize"),
            empty_cache=lambda: None,
            current_stream=lambda device=None: stream,
            is_current_stream_capturing=lambda: False,
            default_generators=(generator,),
            _lazy_init=lambda: None,
        )
        self._replace(torch.accelerator, current_stream=lambda device=None: stream)
        self._replace(
            torch,
            Generator=FakeGenerator,
            autocast=autocast_on_cpu(torch.autocast),
            save=self._save(torch.save),
            load=self._load(torch.load),
        )
        self._replace(Tensor, pin_memory=pin_memory)

    def _save(self, real):
        def save(obj, file):
            buffer = io.BytesIO()
            with unseen():
                real(obj, buffer)
            on_gpu = [is_on_gpu(tensor) for tensor in tensors_in(obj)]
            if any(on_gpu):
                self.wait("torch.save")
            self._saved[hashlib.sha256(buffer.getbuffer()).digest()] = on_gpu
            file.write(buffer.getbuffer())

        return save

    def _load(self, real):
        def load(file, map_location=None, **options):
            content = file.read()
            with unseen():
                out = real(io.BytesIO(content), map_location=CPU, **options)
            stored = self._saved.get(hashlib.sha256(content).digest(), ())
            for tensor, on_gpu in zip(tensors_in(out), stored, strict=False):
                put(tensor, on_gpu if map_location is None else means_gpu(map_location))
            return out

        return load


def pin_memory(x):
    """A copy in memory that a GPU can read by itself."""
    if is_on_gpu(x):
        raise DeviceMistake("cannot pin 'torch.cuda.FloatTensor'")
    with torch._C.DisableTorchFunction():
        out = x.clone()
        PINNED.add(out)
    return out


def autocast_on_cpu(real):
    """``torch.autocast("cuda")`` becomes that of the CPU, which has the tensors."""
    return lambda kind, *args, **kwargs: real("cpu" if kind == "cuda" else kind, *args, **kwargs)


def where():
    """Innermost line of the package on the stack."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE):
            return f"{file[len(PACKAGE) + 1 :]}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "outside of the package"
