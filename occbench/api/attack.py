"""``occbench.attack`` and ``occbench attack``: a model, a data set and attacks become a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..system.errors import OccbenchError, unknown_name
from .asked import (
    asked_cutouts,
    check_kinds,
    check_targets,
    parse_placement,
    parse_radius,
    pose_nms_rule,
    require_donors,
    suite_of,
)

if TYPE_CHECKING:
    from ..data.persons import Dataset
    from ..inference.detector import Detector
    from ..weights.zoo import ZooModel
    from .run import Run


def attack(
    model: str,
    data: str | None,
    kinds: str | Sequence[str],
    out: str | PathLike[str] | None = None,
    *,
    targets: Sequence[str] = (),
    radii: Sequence[float | str] = (),
    placements: Sequence[str] = (),
    occluders: str | PathLike[str] | None = None,
    checkpoint: str | None = None,
    spec: str | None = None,
    time_limit: float | None = None,
    images: str | PathLike[str] | None = None,
    boxes: str = "gt",
    detector_checkpoint: str | None = None,
    detector_score: float | None = None,
    scope: str | None = None,
    crop: str | None = None,
    redetect: bool = False,
    pose_nms: str | None = None,
    protocol: str = "corrected",
    overwrite: bool = False,
    take_over: bool = False,
    limit: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    backend: str | None = None,
    precision: str = "fp32",
    tune: str = "quick",
    workers: int | None = None,
    launcher: str = "none",
    flip: bool | None = None,
    scales: Sequence[str] = (),
    seed: int = 0,
    bootstrap: int = 1000,
    evaluator: str = "exact",
    trust_checkpoint: bool = False,
    trust_config: bool = False,
    skip_unreadable: bool = False,
    name: str | None = None,
    strict: bool = False,
    fetch: bool = False,
    progress: bool | Literal["json"] | None = None,
    command: Sequence[str] = ("occbench.attack",),
) -> Run | None:
    """Hide keypoints or parts in photos, measure the drop in AP per keypoint, and write a run folder with its report.

    A run that is there already goes on: what it has is not computed again. One of other content is refused.

    Args:
        model: A name of ``occbench ls models``, an MMPose config, an ONNX file, or a program of your own that writes
            COCO results: ``command:PROGRAM {photos} {annotations} {out}``.
        data: A name of ``occbench ls datasets``, or an annotation file (.json, .mat, .yaml); None for the one that the
            model is measured on: coco-val2017, mpii.
        kinds: What is hidden how: LEVEL-FILL as ``part-blackout``, or ``keypoint-all``, ``part-all``, ``all`` (the
            thesis' fills), ``keypoint-world``, ``part-world`` (PROTOCOL section 10).
        out: The run folder; None: ``runs/MODEL[@CHECKPOINT]-DATA-BOXES``.
        targets: Keypoints or parts to hide; none for every one, a cell each.
        radii: Crop px: the disc's radius, or a part's margin; ``"0.03w"`` is of the crop's width; none for 6.
        placements: ``centred``, ``jittered``, ``decoys:N``, ``placebo`` (PROTOCOL section 8); none for centred.
        occluders: A folder of RGBA pictures for fill ``object``; None for the drawn ones that come with occbench.
        checkpoint: Weights: a file or an address; None for the model's own.
        spec: Of an ONNX file, how it is used: a YAML file, or ``rtmpose``, ``vitpose``, ``hrnet``, ``simplebaseline``,
            ``yolo-pose`` or ``movenet``; None where the file alone tells it.
        time_limit: Of a program: seconds that it has for a cell; None for a day.
        images: The image folder of an annotation file.
        boxes: ``gt``, ``jitter:S``, a COCO detections file, ``detector:NAME`` or ``detector:CONFIG.py``; models that
            see whole photos need none.
        detector_checkpoint: The detector's weights; None for MMDet's own.
        detector_score: Boxes below it are left out.
        scope: ``person``: who is in the crop; ``image``: everybody labelled, in the photo itself (PROTOCOL section 7).
            None: ``person``; of models that see whole photos, which have no other, ``image``.
        crop: Of models that see whole photos: width x height of the crop that radii are said in (PROTOCOL section 9);
            None for 192x256, of MPII 256x256.
        redetect: Whether the detector sees the attacked photos too (scope image).
        pose_nms: A rule of parametric pose NMS in place of OKS-NMS, by its name, with constants of its own, or as a
            file of ``occbench fit-nms`` (scope image, detected boxes; :mod:`occbench.evaluation.pose_nms`).
        protocol: ``corrected`` or ``thesis``.
        overwrite: Whether to begin anew where ``out`` holds a run.
        take_over: Whether to take a run that a process of another machine left locked.
        limit: Only the first photos with people.
        batch_size: Crops inferred at a time; None for 16, on a GPU 128. Of whole photos 1, on a GPU 8.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        backend: ``torch``, ``openvino`` or ``onnxruntime``; None for torch, and for ONNX Runtime of an ONNX file.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
        tune: On a GPU: ``quick`` times a batch in several ways, once; ``off`` goes by a rule.
        workers: Threads that cut and attack crops; None for 1, on a GPU 4.
        launcher: ``auto``, ``none``, ``pytorch`` or ``slurm``.
        flip: Flip test; None as the config says.
        scales: Of an image pyramid whose heatmaps are averaged.
        seed: Of random placements and of the bootstrap.
        bootstrap: Draws behind the intervals; 0 for none.
        evaluator: ``exact``, or ``pycocotools``, which says the same slowly.
        trust_checkpoint: Whether to unpickle a checkpoint that holds more than weights.
        trust_config: Whether a config may run code from outside of its own tree.
        skip_unreadable: Whether to leave out photos that cannot be read, and record them.
        name: What reports call the run; None for what it was called before, if anything.
        strict: Whether to refuse annotations that are repaired or left out in part.
        fetch: Whether to fetch a named data set that is not there.
        progress: On stderr: True for a bar, False for nothing, ``"json"`` for a JSON line a minute; None for a bar on a
            terminal and a line a minute elsewhere.
        command: For the manifest.

    Returns:
        The finished run; None in all processes of a launcher but the first.

    Raises:
        OccbenchError: Something that was given cannot be used; the message says how to mend it.
    """
    from ..data.default import default_set, require
    from ..data.known import BY_NAME
    from ..estimators.make import Options, what_it_sees
    from ..estimators.onnx import check_backend
    from ..estimators.reference import parse_size
    from ..estimators.scales import parse_scales
    from ..system.distributed import LAUNCHERS, joined
    from ..weights.zoo import find_model

    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    check_kinds(kinds)
    chosen = find_model(model, spec)
    backend = backend or ("onnxruntime" if chosen.source == "onnx" else "torch")
    if chosen.source == "onnx":
        check_backend(backend, precision)
        if checkpoint is not None:
            raise OccbenchError("an ONNX file has its weights in it: leave --checkpoint out")
    if not chosen.has_weights and checkpoint is not None:
        raise OccbenchError("what runs elsewhere has its own weights: leave --checkpoint out")
    if time_limit is not None and chosen.source != "command":
        raise OccbenchError(f"--time-limit is for a program (--model command:...), but --model is {model!r}")
    if chosen.missing:
        raise OccbenchError(f"model {chosen.name!r} cannot be built: {chosen.missing}")
    data = data or default_set(chosen.name, chosen.dataset)
    if not str(data).endswith((".yaml", ".yml")):  # these bring targets of their own
        check_targets(targets)
    sizes, places = [parse_radius(radius) for radius in radii], [parse_placement(text) for text in placements]
    for option, value, known in (
        ("scope", scope or "person", ("person", "image")),
        ("protocol", protocol, ("corrected", "thesis")),
        ("evaluator", evaluator, ("exact", "pycocotools")),
        ("backend", backend, ("torch", "openvino", "onnxruntime")),
        ("precision", precision, ("fp32", "tf32", "bf16", "fp16")),
        ("tune", tune, ("off", "quick")),
        ("launcher", launcher, LAUNCHERS),
    ):
        if value not in known:
            raise unknown_name(option, value, known)
    pyramid = parse_scales(list(scales))
    chosen = replace(chosen, sees=what_it_sees(chosen, Options(trust_config=trust_config)))  # looked for once
    photos = chosen.sees == "photo"
    if (scope, protocol, photos) == ("image", "thesis", False):
        raise OccbenchError("--scope image has no --protocol thesis, whose rules are those of crops: leave one out")
    if photos:
        _check_photo_options(chosen, boxes, scope, protocol, scales)
    elif crop is not None:
        raise OccbenchError(f"--crop is for models that see whole photos, but {chosen.name!r} has crops of its own")
    scope, reference = scope or ("image" if photos else "person"), None if crop is None else parse_size(crop)
    detector = _detector(boxes, detector_checkpoint, detector_score)
    rule = None if pose_nms is None else pose_nms_rule(pose_nms, boxes, scope, photos)
    if redetect and not (scope == "image" and detector):
        raise OccbenchError(
            "--redetect shows the detector the attacked photos: it needs --scope image and --boxes detector:NAME"
        )

    from ..data.findings import refuse_errors, warnings_of
    from ..data.nobody import on_nobody
    from ..data.photos import check_photos
    from ..data.sources import open_dataset
    from ..runs import check_out, default_folder
    from ..runs.place import WHOLE_PHOTOS
    from ..system.progress import Progress

    show, as_json = (None, True) if progress == "json" else (progress, False)
    cutouts = asked_cutouts(occluders, kinds, Progress(show, as_json).note)
    where = (WHOLE_PHOTOS, "person") if photos else (boxes, scope)
    folder = Path(out) if out is not None else default_folder(chosen.name, checkpoint, str(data), *where)
    check_out(folder, overwrite)
    pictures = None if images is None else Path(images)
    if data in BY_NAME and pictures is None:
        require(data, fetch, Progress(show, as_json).note)
    dataset = open_dataset(data, pictures, "gt" if detector else boxes, seed)
    refuse_errors(dataset.findings, str(data), strict)
    if limit:
        dataset = dataset.first(limit)
        if not dataset.persons:
            raise OccbenchError(f"{boxes!r} has no box on the first {limit} photos with people; raise --limit")
    if rule is not None and dataset.metric != "oks":
        raise OccbenchError(
            f"--pose-nms thins out persons that are scored by AP, but {dataset.name!r} is scored by one pose per "
            "person: leave it out"
        )
    chosen.require_keypoints_of(dataset.skeleton)
    suite = partial(suite_of, dataset.skeleton, kinds, targets, sizes, places)
    require_donors(dataset, suite(1.0))  # whether there is such a suite is said before a model is loaded
    dataset = check_photos(dataset, skip_unreadable, every=photos or detector is not None)
    dataset = replace(dataset, findings=(*dataset.findings, *on_nobody(dataset)))

    from ..estimators.make import make_estimator
    from ..estimators.onnx.graph import has_cuda
    from ..estimators.pose_model import pick_device
    from ..inference.plan import Settings
    from ..jobs.detections import Finder, with_detector
    from ..jobs.job import Job
    from ..jobs.measure import measure
    from ..runs.about import ModelFiles
    from ..tables.scoring import Scoring
    from ..weights.checkpoints import resolve

    with joined(launcher) as ranks:
        shown = Progress(show if ranks.first else False, as_json)
        for line in warnings_of(dataset.findings) if ranks.first else ():
            shown.note(line)
        shown.say(f"loading {chosen.name}")
        weights = resolve(checkpoint, chosen) if chosen.has_weights else chosen.config_path
        place = pick_device(device, ranks.local)
        if chosen.source == "onnx" and device == "auto" and not has_cuda():
            place = "cpu"
        if detector is not None:
            finder = Finder(
                detector, detector_checkpoint, place, trust_checkpoint, trust_config, min_score=detector_score
            )
            dataset = with_detector(dataset, finder, shown)
        on_gpu = place.startswith("cuda")
        files = ModelFiles(chosen.name, chosen.config_path, weights, dict(chosen.published), trust_checkpoint)
        options = Options(
            *(place, flip, trust_checkpoint, trust_config, pyramid),
            note=shown.note if ranks.first else shown.say,
            time_limit=time_limit,
        )
        job = Job(
            make_estimator(chosen, weights, options),
            files,
            dataset,
            suite(1.0),
            folder,
            Scoring(protocol, evaluator, bootstrap, seed, rule),  # type: ignore[arg-type]  # checked above
            Settings(
                protocol,
                seed,
                batch_size or ((8 if on_gpu else 1) if photos else (128 if on_gpu else 16)),
                (4 if on_gpu else 1) if workers is None else workers,
                scope=scope,
                cutouts=cutouts,
            ),
            backend,
            precision,
            place,
            limit,
            list(command),
            partial(_seeing_again, dataset, place, trust_checkpoint, trust_config) if redetect else None,
            name,
            tune,
            reference,
        )

        job = replace(job, attacks=suite(job.crops.input_size[0]))

        def report(made: Path) -> Path:
            from ..reports import build_report

            return build_report([made], progress=shown.say)

        manifest = measure(job, report, shown, ranks, overwrite=overwrite, take_over=take_over)
    if manifest is None:
        return None

    from .run import open_run

    return open_run(folder)


def _check_photo_options(model: ZooModel, boxes: str, scope: str | None, protocol: str, scales: Sequence[str]) -> None:
    """Refuse what says how crops are had, where a model sees whole photos.

    Raises:
        OccbenchError: One of them is given.
    """
    why = f"{model.name!r} sees whole photos and finds the people itself"
    if boxes != "gt":
        raise OccbenchError(f"--boxes {boxes} is for models that are given one person's crop, but {why}: leave it out")
    if scope == "person":
        raise OccbenchError(f"--scope person hides one person in their crop, but {why}: leave it out")
    if protocol == "thesis" and model.source == "results":
        raise OccbenchError("--protocol thesis is not for results of photos that `occbench export` wrote: leave it out")
    if scales:
        raise OccbenchError(f"--scales averages the heatmaps of one person's crop, but {why}: leave it out")


def _detector(boxes: str, checkpoint: str | None, score: float | None) -> str | None:
    """The detector that ``--boxes`` names, known to exist; None for other boxes.

    Raises:
        OccbenchError: There is no such detector, or options of one are given for other boxes.
    """
    from ..data.sources import detector_of
    from ..weights.detectors import find_detector

    name = detector_of(boxes)
    if name is not None:
        find_detector(name)
        return name
    for option, value in (("--detector-checkpoint", checkpoint), ("--detector-score", score)):
        if value is not None:
            raise OccbenchError(f"{option} is for --boxes detector:NAME, but --boxes is {boxes!r}")
    return None


def _seeing_again(dataset: Dataset, device: str, trust: bool, trust_config: bool) -> Detector:
    """The detector that found the boxes of a data set."""
    from ..inference.detector import Detector

    files = dataset.detector
    if files is None:
        raise OccbenchError("the boxes are no detector's: give --boxes detector:NAME")
    return Detector(files.config, files.checkpoint, device, trust, trust_config)
