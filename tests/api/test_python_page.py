"""The page docs/python.md does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "python.md"


@pytest.mark.usefixtures("without_figures")
def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from occbench.data.sources import open_dataset

    monkeypatch.chdir(tmp_path)
    truth = open_dataset("sample", None, "gt").truth
    results = [
        {"image_id": int(image), "category_id": 1, "keypoints": [*points.T, [1] * 17], "score": 0.9}
        for image, points in zip(truth.image, truth.keypoints, strict=True)
    ]
    for result in results:
        x, y, v = result["keypoints"]
        result["keypoints"] = [float(number) for triple in zip(x, y, v, strict=True) for number in triple]
    Path("results.json").write_text(json.dumps(results))
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) >= 10
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    run = names["run"]
    assert run.attacks == ["keypoint-meanout:nose", "part-blackout:head", "part-blackout:left_arm"]  # type: ignore[attr-defined]
    page = run._repr_html_()  # type: ignore[attr-defined]
    assert "hrnet-mini on sample" in page
    assert "synthetic" in page
    assert Path("collateral.png").stat().st_size > 1000
    assert Path("shown/report.html").is_file()
    assert names["scores"].rows["ap"].iloc[0] == pytest.approx(1)  # type: ignore[attr-defined]
    assert "no run folder" in capsys.readouterr().out
