"""Each backend against MMPose's own forward pass, on models small enough to be exported in a moment."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from occbench.estimators.backends import BACKENDS, Raw
from occbench.system.compat import setup_mmpose
from occbench.system.errors import OccbenchError

from .small_models import HEADS, assert_close, build, crops, make, oracle


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports that several tests use."""
    return tmp_path_factory.mktemp("exports")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", BACKENDS)
def test_raw_output_is_that_of_mmpose(name: str, head: str, shared_cache: Path) -> None:
    estimator = build(head)
    backend = make(name, estimator, shared_cache, weights=head)
    for count in (7, 1, 3):  # the last batch of a cell is smaller
        images = crops(count, seed=count)
        plain, mirrored = backend(images, True)
        assert_close(plain, oracle(estimator, images))
        assert_close(mirrored, oracle(estimator, images, flip=True))
        alone, none = backend(images, False)
        assert none is None
        assert all(torch.equal(a, b) for a, b in zip(alone, plain, strict=True))


@pytest.mark.parametrize("name", BACKENDS)
def test_estimator_stays_as_it_is(name: str, shared_cache: Path) -> None:
    estimator = build()
    images = crops(3)
    before = oracle(estimator, images)[0].clone()
    weights = {key: value.clone() for key, value in estimator.state_dict().items()}
    make(name, estimator, shared_cache, weights="heatmap")(images, True)
    assert torch.equal(oracle(estimator, images)[0], before)
    after = estimator.state_dict()
    assert after.keys() == weights.keys()
    for key, value in after.items():
        assert torch.equal(value, weights[key])
        assert value.stride() == weights[key].stride()


@pytest.mark.parametrize("name", BACKENDS)
def test_description_is_for_a_manifest(name: str, shared_cache: Path) -> None:
    estimator = build()
    about = make(name, estimator, shared_cache, weights="heatmap").describe()
    assert about["name"] == name
    assert about["precision"] == "fp32"
    assert about["device"] == "cpu"
    assert about["threads"] == torch.get_num_threads()
    assert about["version"]
    assert 0 <= about["largest_difference"] < 1e-5
    assert json.loads(json.dumps(about)) == about
    assert make(name, estimator, shared_cache, weights="heatmap").describe() == about


def test_torch_traces_on_a_cpu(tmp_path: Path) -> None:
    assert make("torch", build(), tmp_path).describe()["graph"] == "traced"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("head", HEADS)
def test_tracing_without_parts_gives_the_bits_of_tracing_with_them(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = crops(5)
    ours, _ = make("torch", build(head), tmp_path)(images, False)
    monkeypatch.setattr("occbench.estimators.backends.torch_backend._Whole", lambda network: network)
    theirs, _ = make("torch", build(head), tmp_path)(images, False)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_any_sample_will_do(count: int, shared_cache: Path) -> None:
    estimator = build()
    for name in BACKENDS:
        make(name, estimator, shared_cache, weights="heatmap", sample=crops(count))


def test_bf16_by_torch(tmp_path: Path) -> None:
    estimator = build()
    backend = make("torch", estimator, tmp_path, precision="bf16")
    images = crops(5, seed=1)
    plain, mirrored = backend(images, True)
    assert_close(plain, oracle(estimator, images), tolerance=0.03)
    assert_close(mirrored, oracle(estimator, images, flip=True), tolerance=0.03)
    about = backend.describe()
    assert about["precision"] == "bf16"
    assert about["graph"] == "traced"
    assert 1e-5 < about["largest_difference"] < 0.03


def test_bf16_by_openvino_where_the_processor_has_it(shared_cache: Path) -> None:
    import openvino

    estimator = build()
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(OccbenchError, match="on this processor, not in bf16"):
            make("openvino", estimator, shared_cache, weights="heatmap", precision="bf16")
        return
    backend = make("openvino", estimator, shared_cache, weights="heatmap", precision="bf16")
    assert 1e-5 < backend.describe()["largest_difference"] < 0.03


@pytest.mark.parametrize(
    ("name", "precision", "device", "message"),
    [
        pytest.param(
            "onnxruntime", "bf16", "cpu", "does not run in bf16 on device 'cpu'; there, these do: torch", id="ort"
        ),
        pytest.param(
            "openvino", "fp32", "cuda:1", "on device 'cuda:1'; there, these do: torch in fp32 or tf32 or bf16", id="gpu"
        ),
        pytest.param("torch", "fp16", "cpu", "torch in fp32 or bf16, openvino in fp32", id="fp16"),
        pytest.param("torch", "tf32", "cpu", "does not run in tf32 on device 'cpu'; there, these do: torch", id="tf32"),
        pytest.param("tensorrt", "fp32", "cpu", "unknown backend 'tensorrt'", id="name"),
        pytest.param("torch", "int8", "cpu", "unknown precision 'int8'; known: bf16, fp16, fp32, tf32", id="precision"),
    ],
)
def test_what_does_not_work_is_refused(name: str, precision: str, device: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(OccbenchError, match=message):
        make(name, None, tmp_path, precision=precision, device=device)


@pytest.mark.parametrize(
    ("name", "package"), [("openvino", "openvino"), ("openvino", "onnx"), ("onnxruntime", "onnxruntime")]
)
def test_missing_package(name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OccbenchError, match=rf'needs the package {package}.*pip install "occbench\[{name}\]"'):
        make(name, build(), tmp_path)


def test_output_that_is_not_finite(tmp_path: Path) -> None:
    estimator = build()
    estimator.head.final_layer.weight.data[0, 0] = float("nan")
    with pytest.raises(OccbenchError, match="not finite: the weights are damaged"):
        make("torch", estimator, tmp_path)


def test_reduced_precision_that_overflows(tmp_path: Path) -> None:
    estimator = build()
    last: Any = estimator.head.final_layer
    last.register_forward_hook(
        lambda module, inputs, output: output / (output.dtype == torch.float32)  # bf16: division by zero
    )
    with pytest.raises(
        OccbenchError, match="torch gives no finite output in bf16 for this model; use --precision fp32"
    ):
        make("torch", estimator, tmp_path, precision="bf16")


def test_head_of_stages_is_refused(tmp_path: Path) -> None:
    estimator = build()
    estimator.register_forward_hook(lambda module, inputs, output: [[output], [output]])
    with pytest.raises(OccbenchError, match="gives a list of list, list where a tensor or several were expected"):
        make("torch", estimator, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="as most"),
        pytest.param({"bgr_to_rgb": False}, id="BGR"),
        pytest.param({"mean": None, "std": None}, id="not normalised"),
        pytest.param({"mean": [128.0], "std": [64.0]}, id="one mean"),
    ],
)
def test_preprocessing_of_a_batch_is_that_of_mmpose(options: dict[str, Any]) -> None:
    from occbench.estimators.backends.network import preprocess

    _assert_preprocessed(build(**options).data_preprocessor, preprocess)


def _assert_preprocessed(preprocessor: Any, preprocess: Callable[..., torch.Tensor]) -> None:
    from mmpose.structures import PoseDataSample

    images = crops(3)
    single = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    expected = preprocessor({"inputs": single, "data_samples": [PoseDataSample() for _ in single]})["inputs"]
    assert torch.equal(preprocess(preprocessor, torch.from_numpy(images)), expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bgr_to_rgb": False},
        {"mean": None, "std": None},
        {"mean": [128.0], "std": [64.0]},
        {"pad_size_divisor": 32},
    ],
)
def test_preprocessing_on_a_gpu_is_that_of_mmpose(options: dict[str, Any]) -> None:
    from occbench.estimators.backends.network import normalised

    _assert_preprocessed(build(**options).data_preprocessor, normalised)


def test_padding_runs_on_torch_alone(tmp_path: Path) -> None:
    estimator = build(pad_size_divisor=32, pad_value=1)  # 48 columns become 64
    backend = make("torch", estimator, tmp_path)
    plain, mirrored = backend(crops(5), True)
    assert_close(plain, oracle(estimator, crops(5)))
    assert_close(mirrored, oracle(estimator, crops(5), flip=True))
    with pytest.raises(OccbenchError, match="pads crops"):
        make("openvino", estimator, tmp_path)


def test_preprocessor_of_a_users_own_runs_on_torch_alone(tmp_path: Path) -> None:
    from mmpose.models.data_preprocessors import PoseDataPreprocessor

    class Inverting(PoseDataPreprocessor):  # type: ignore[misc]
        def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
            found = super().forward(data, training)
            return {**found, "inputs": -found["inputs"]}

    estimator = build()
    estimator.data_preprocessor.__class__ = Inverting
    assert_close(make("torch", estimator, tmp_path)(crops(5), False)[0], oracle(estimator, crops(5)))
    with pytest.raises(OccbenchError, match="is not MMPose's"):
        make("onnxruntime", estimator, tmp_path)


class SmallMemory:
    """A network on a GPU that has room for so many crops."""

    def __init__(self, network: Callable[[torch.Tensor], Raw], room: int) -> None:
        self.network = network
        self.room = room
        self.asked: list[int] = []

    def __call__(self, inputs: torch.Tensor) -> Raw:
        self.asked.append(len(inputs))
        if len(inputs) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAnd more")
        return self.network(inputs)


def test_batch_is_halved_when_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from occbench.estimators.backends.torch_backend import TorchBackend

    estimator = build("simcc")
    said: list[str] = []
    backend = make("torch", estimator, tmp_path, say=said.append)
    assert isinstance(backend, TorchBackend)
    memory = SmallMemory(backend._network, room=3)
    monkeypatch.setattr(backend, "_network", memory)
    images = crops(13, seed=2)
    for _ in range(2):
        plain, mirrored = backend(images, True)
        assert_close(plain, oracle(estimator, images))
        assert_close(mirrored, oracle(estimator, images, flip=True))
    assert backend.halvings == 2
    assert memory.asked == [13, 6, *[3, 3] * 4, 1, 1, *[3, 3] * 4, 1, 1]  # 3 is remembered
    assert said == [
        "the GPU's memory does not suffice for 13 crops at a time; going on with 6",
        "the GPU's memory does not suffice for 6 crops at a time; going on with 3",
    ]


def test_memory_that_does_not_suffice_for_one_crop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = make("torch", build(), tmp_path)
    monkeypatch.setattr(backend, "_network", SmallMemory(lambda inputs: (inputs,), room=0))
    with pytest.raises(
        OccbenchError, match=r"not suffice for a single crop \(CUDA out of memory. Tried to allocate 2.00"
    ):
        backend(crops(4), False)
    assert backend.halvings == 2


def test_channel_shuffle_is_that_of_mmpose() -> None:
    setup_mmpose()
    from mmpose.models.backbones import litehrnet

    from occbench.estimators.backends.torch_backend import native_channel_shuffle

    own = litehrnet.channel_shuffle
    x = torch.arange(2 * 12 * 5 * 3.0).reshape(2, 12, 5, 3).contiguous(memory_format=torch.channels_last)
    with native_channel_shuffle():
        for groups in (2, 3, 4):
            shuffled = litehrnet.channel_shuffle(x, groups)
            assert torch.equal(shuffled, own(x, groups))
            assert shuffled.is_contiguous(memory_format=torch.channels_last)
            assert not own(x, groups).is_contiguous(memory_format=torch.channels_last)
    assert litehrnet.channel_shuffle is own


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_freed_memory_is_kept() -> None:
    from occbench.estimators.backends.torch_backend import keep_freed_memory

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(64 * 2**20, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    keep_freed_memory()
    # Each is 16,384 where memory is given back; here some other block may once stand where it was.
    assert min(faults() for _ in range(8)) < 64


def test_difference() -> None:
    from occbench.estimators.backends.checking import difference

    reference = (torch.tensor([0.0, 4.0]), torch.tensor([0.0, 1.0, 2.0]))
    assert difference(reference, reference) == 0
    assert difference((torch.tensor([0.0, 5.0]), torch.tensor([0.1, 1.0, 2.0])), reference) == pytest.approx(0.25)
    assert difference((reference[0], torch.tensor([0.0, float("nan"), 2.0])), reference) == float("inf")
    assert difference(reference[:1], reference) == float("inf")


def test_names_of_backends_cost_no_import() -> None:
    code = "import sys, occbench.estimators.backends as b; print(b.BACKENDS, *{'torch', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{BACKENDS}\n"
