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

import numpy as np
import pytest
import torch

from occbench.compat import setup_mmpose
from occbench.errors import OccbenchError
from occbench.inference.backends import BACKENDS, Backend, Raw, make_backend

SIZE = (64, 48)  # height, width of the crops
EXPORTED = ("openvino", "onnxruntime")
PREPROCESSOR = {
    "type": "PoseDataPreprocessor",
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "bgr_to_rgb": True,
}
HEADS: dict[str, dict[str, Any]] = {
    "heatmap": {
        "type": "HeatmapHead",
        "in_channels": 16,
        "out_channels": 17,
        "deconv_out_channels": None,
        "decoder": {"type": "MSRAHeatmap", "input_size": (48, 64), "heatmap_size": (12, 16), "sigma": 1},
    },
    "simcc": {
        "type": "SimCCHead",
        "in_channels": 16,
        "out_channels": 17,
        "input_size": (48, 64),
        "in_featuremap_size": (12, 16),
        "simcc_split_ratio": 2.0,
        "deconv_out_channels": None,
        "decoder": {"type": "SimCCLabel", "input_size": (48, 64), "sigma": 6.0, "simcc_split_ratio": 2.0},
    },
    "regression": {
        "type": "RLEHead",
        "in_channels": 16,
        "num_joints": 17,
        "decoder": {"type": "RegressionLabel", "input_size": (48, 64)},
    },
}


def build(head: str = "heatmap", seed: int = 0, **preprocessor: Any) -> Any:
    """A ResNet of one stage with batch norms that do something, random weights, in evaluation mode."""
    setup_mmpose()
    from mmpose.models import build_pose_estimator

    config: dict[str, Any] = {
        "type": "TopdownPoseEstimator",
        "data_preprocessor": {**PREPROCESSOR, **preprocessor},
        "backbone": {
            "type": "ResNet",
            "depth": 18,
            "num_stages": 1,
            "strides": (1,),
            "dilations": (1,),
            "out_indices": (0,),
            "stem_channels": 16,
            "base_channels": 16,
        },
        "head": HEADS[head],
        "test_cfg": {"flip_test": True},
    }
    if head == "regression":
        config["neck"] = {"type": "GlobalAveragePooling"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_pose_estimator(config).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor, low, high in (
                    (module.weight.data, 0.5, 1.5),
                    (module.bias.data, -0.5, 0.5),
                    (module.running_mean, -0.5, 0.5),
                    (module.running_var, 0.5, 1.5),
                ):
                    tensor.uniform_(low, high)
    return model


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Noise, smooth enough to be an image."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def oracle(estimator: Any, images: np.ndarray, flip: bool = False) -> Raw:
    """MMPose's own preprocessing of single crops and its forward pass, eager."""
    from mmpose.structures import PoseDataSample

    single = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    with torch.inference_mode():
        inputs = estimator.data_preprocessor({"inputs": single, "data_samples": [PoseDataSample() for _ in single]})
        output = estimator(inputs["inputs"].flip(-1) if flip else inputs["inputs"], None, mode="tensor")
    return output if isinstance(output, tuple) else (output,)


def assert_close(found: Raw | None, expected: Raw, tolerance: float = 1e-5) -> None:
    """Within a part of the range of each tensor."""
    assert found is not None
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max()) <= tolerance * float(theirs.max() - theirs.min())


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports that several tests use."""
    return tmp_path_factory.mktemp("exports")


def make(name: str, estimator: Any, cache: Path, weights: str = "0", **options: Any) -> Backend:
    """A backend with what does not matter filled in."""
    settings = {"precision": "fp32", "device": "cpu", "sample": crops(4), "config_sha256": "c", **options}
    return make_backend(name, estimator, weights_sha256=weights, cache=cache, **settings)


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
            "openvino", "fp32", "cuda:1", "on device 'cuda:1'; there, these do: torch in fp32 or bf16", id="gpu"
        ),
        pytest.param("torch", "fp16", "cpu", "torch in fp32 or bf16, openvino in fp32", id="fp16"),
        pytest.param("tensorrt", "fp32", "cpu", "unknown backend 'tensorrt'", id="name"),
        pytest.param("torch", "int8", "cpu", "unknown precision 'int8'; known: bf16, fp16, fp32", id="precision"),
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


def counted_exports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list that grows with every export."""
    from occbench.inference.backends import exports

    made: list[Any] = []
    real = exports._export

    def export(*arguments: Any) -> bytes:
        made.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(exports, "_export", export)
    return made


def test_exports_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted_exports(monkeypatch)
    estimator = build()
    said: list[str] = []
    for name in (*EXPORTED, *EXPORTED):
        assert_close(make(name, estimator, tmp_path, say=said.append)(crops(2), False)[0], oracle(estimator, crops(2)))
    assert len(made) == len(said) == 1
    make("openvino", estimator, tmp_path, weights="1")
    make("openvino", estimator, tmp_path, config_sha256="d")
    assert len(made) == 3
    assert len(list(tmp_path.iterdir())) == 3


def test_exports_lie_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCCBENCH_CACHE", str(tmp_path))
    make_backend(
        "onnxruntime",
        build(),
        precision="fp32",
        device="cpu",
        weights_sha256="w",
        config_sha256="c",
        sample=crops(3),
    )
    assert len(list((tmp_path / "exports").iterdir())) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content[:-100], id="truncated"),
        pytest.param(lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:], id="one bit"),
    ],
)
def test_damaged_export_is_made_again(
    spoil: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = counted_exports(monkeypatch)
    estimator = build()
    make("onnxruntime", estimator, tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(spoil(whole))
    make("onnxruntime", estimator, tmp_path)
    assert len(made) == 2
    assert len(file.read_bytes()) == len(whole)
    make("onnxruntime", estimator, tmp_path)
    assert len(made) == 2


@pytest.mark.parametrize("name", EXPORTED)
def test_wrong_export_is_refused(name: str, tmp_path: Path) -> None:
    make(name, build(seed=1), tmp_path)
    with pytest.raises(OccbenchError, match=f"--backend {name} does not compute what MMPose computes"):
        make(name, build(), tmp_path)


def test_wrong_export_is_refused_in_any_precision(tmp_path: Path) -> None:
    import openvino

    wrong = build()
    wrong.head.final_layer.weight.data.mul_(1.001)  # less than bf16 rounds
    make("openvino", wrong, tmp_path)
    expected = "does not compute what MMPose computes"
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        expected = "on this processor, not in bf16"
    with pytest.raises(OccbenchError, match=expected):
        make("openvino", build(), tmp_path, precision="bf16")


def test_export_of_other_outputs_is_refused(tmp_path: Path) -> None:
    make("onnxruntime", build("simcc"), tmp_path)
    with pytest.raises(OccbenchError, match="does not compute what MMPose computes"):
        make("onnxruntime", build("heatmap"), tmp_path)


@pytest.mark.parametrize("name", EXPORTED)
def test_model_that_a_runtime_refuses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("occbench.inference.backends.exports._export", lambda *arguments: b"no model")
    with pytest.raises(OccbenchError, match=f"--backend {name} cannot run this model.*use --backend torch"):
        make(name, build(), tmp_path)


def test_model_that_cannot_be_exported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    estimator = build()
    estimator.head.final_layer.register_forward_hook(lambda module, inputs, output: torch.special.i0(output))
    with pytest.raises(
        OccbenchError, match=r"openvino cannot run this model: its export to ONNX failed.*--backend torch"
    ):
        make("openvino", estimator, tmp_path)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
    assert_close(make("torch", estimator, tmp_path)(crops(2), False)[0], oracle(estimator, crops(2)))


def test_batch_size_that_is_baked_into_a_graph_is_found(tmp_path: Path) -> None:
    estimator = build()
    last: Any = estimator.head.final_layer
    last.register_forward_hook(lambda module, inputs, output: output * (2.0 if len(output) == 2 else 1.0))
    said: list[str] = []
    backend = make("torch", estimator, tmp_path, say=said.append)
    assert backend.describe()["graph"] == "eager"
    assert len(said) == 1
    assert "untraced" in said[0]
    for count in (1, 2, 3):
        assert_close(backend(crops(count), False)[0], oracle(estimator, crops(count)))
    with pytest.raises(OccbenchError, match="does not compute what MMPose computes"):
        make("openvino", estimator, tmp_path)


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


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OccbenchError, match=r"cannot write .*OCCBENCH_CACHE"):
        make("onnxruntime", build(), tmp_path / "file")


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
    from occbench.inference.backends.network import preprocess

    _assert_preprocessed(build(**options).data_preprocessor, preprocess)


def _assert_preprocessed(preprocessor: Any, preprocess: Callable[..., torch.Tensor]) -> None:
    from mmpose.structures import PoseDataSample

    images = crops(3)
    single = [torch.from_numpy(image.transpose(2, 0, 1).copy()) for image in images]
    expected = preprocessor({"inputs": single, "data_samples": [PoseDataSample() for _ in single]})["inputs"]
    assert torch.equal(preprocess(preprocessor, torch.from_numpy(images)), expected)


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
    from occbench.inference.backends.torch_backend import TorchBackend

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

    from occbench.inference.backends.torch_backend import native_channel_shuffle

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
    from occbench.inference.backends.torch_backend import keep_freed_memory

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(64 * 2**20, dtype=torch.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    keep_freed_memory()
    # Each is 16,384 where memory is given back; here some other block may once stand where it was.
    assert min(faults() for _ in range(8)) < 64


def test_difference() -> None:
    from occbench.inference.backends.checking import difference

    reference = (torch.tensor([0.0, 4.0]), torch.tensor([0.0, 1.0, 2.0]))
    assert difference(reference, reference) == 0
    assert difference((torch.tensor([0.0, 5.0]), torch.tensor([0.1, 1.0, 2.0])), reference) == pytest.approx(0.25)
    assert difference((reference[0], torch.tensor([0.0, float("nan"), 2.0])), reference) == float("inf")
    assert difference(reference[:1], reference) == float("inf")


def test_names_of_backends_cost_no_import() -> None:
    code = "import sys, occbench.inference.backends as b; print(b.BACKENDS, *{'torch', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{BACKENDS}\n"
