"""MMPose's own test loop over attacked photos, for measurements beside it."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does

import numpy as np

from occbench.attacks import COCO, Attack
from occbench.estimators.crops import Crop
from occbench.inference.engine import attack_crop
from occbench.system.compat import setup_mmpose

Poses = dict[int, np.ndarray]


class MMPose:
    """MMPose's test loop, with an attack in its pipeline."""

    def __init__(self, config: Any, weights: Path, annotations: Path, images: Path, folder: Path) -> None:
        setup_mmpose()
        from mmengine.runner import Runner

        self._transform = _register()
        config = copy.deepcopy(config)
        dataset = config.test_dataloader.dataset
        dataset.update(data_root="", ann_file=str(annotations), data_prefix={"img": f"{images}/"}, test_mode=True)
        dataset["bbox_file"] = None
        types = [step["type"] for step in dataset.pipeline]
        dataset.pipeline.insert(types.index("TopdownAffine") + 1, {"type": "BenchmarkAttack"})
        config.test_dataloader.update(batch_size=32, num_workers=0, persistent_workers=False)
        self._dump = folder / "predictions.pkl"
        with contextlib.redirect_stdout(io.StringIO()):
            self._runner = Runner(
                model=config.model,
                work_dir=str(folder),
                test_dataloader=config.test_dataloader,
                test_cfg={},
                test_evaluator=[{"type": "DumpResults", "out_file_path": str(self._dump)}],
                load_from=str(weights),
                default_scope="mmpose",
                log_level="ERROR",
                experiment_name=f"suite-{time.time_ns()}",
            )

    def run(self, attacks: Sequence[Attack | None]) -> list[Poses]:
        """Keypoints (K, 2; image px) by annotation id, for each attack."""
        import pickle

        found = []
        for attack in attacks:
            self._transform.attack = attack
            with contextlib.redirect_stdout(io.StringIO()):
                self._runner.test()
            samples = pickle.loads(self._dump.read_bytes())
            found.append({int(s["id"]): np.asarray(s["pred_instances"]["keypoints"])[0] for s in samples})
        return found


def _register() -> Any:
    from mmcv.transforms import BaseTransform
    from mmpose.registry import TRANSFORMS

    from occbench.data.persons import Person

    @TRANSFORMS.register_module(force=True)
    class BenchmarkAttack(BaseTransform):  # type: ignore[misc]
        """The attack of the class, on MMPose's crop."""

        attack: Attack | None = None

        def transform(self, results: dict[str, Any]) -> dict[str, Any]:
            if self.attack is None:
                return results
            visible = results["keypoints_visible"][0].astype(np.int64)
            points = np.asarray(results["transformed_keypoints"][0], dtype=np.float64)
            nobody: Any = None
            person = Person(results["id"], results["id"], nobody, results["bbox"][0], 1.0, points, visible)
            crop = Crop(person, results["img"], points, None, points[0], points[0])
            results["img"], _ = attack_crop(crop, self.attack, COCO, "corrected", 0)
            return results

    return BenchmarkAttack
