from __future__ import annotations

from xml.etree import ElementTree

from falaj.cli.rollout_picture import picture_of
from falaj.schemas.rollouts import Rollout

SVG = "{http://www.w3.org/2000/svg}"


def rollout(points: int, reason: str = "") -> Rollout:
    metric = {"name": "errors", "kind": "errors", "harm": 3.0, "harm_line": 2.0, "safe": 0.1, "safe_line": 1.3}
    trajectory = [
        {"at": 100.0 + place, "state": "stepping", "weight": 500 * place, "metrics": {"errors": [place / 4, 0.1]}}
        for place in range(points)
    ]
    return Rollout(
        "r1", "c1", "prod/m", "local", "canary", 2, 1, "rolled_back", 0, 0, 0.0, 1.0, reason, ["errors"], {}, 3.0, 2.0,
        [metric], [], [], {}, trajectory,
    )  # fmt: skip


def test_it_draws_each_metric_twice_beside_the_weight_and_names_the_verdict() -> None:
    root = ElementTree.fromstring(picture_of(rollout(9, "after 412 candidate requests")))
    curves = root.findall(f"{SVG}polyline")
    assert len(curves) == 3
    [(first, _), *_, (last, top)] = [tuple(map(float, pair.split(","))) for pair in curves[1].get("points", "").split()]
    assert (first, last) == (52.0, 692.0) and 64 < top < 304
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "rolled back: after 412 candidate requests" in texts and {"roll back", "good enough"} <= set(texts)


def test_markup_in_a_reason_stays_text_and_no_points_are_no_error() -> None:
    root = ElementTree.fromstring(picture_of(rollout(0, "<script>alert(1)</script> & more")))
    assert any("<script>" in (text.text or "") for text in root.iter(f"{SVG}text"))
    assert root.findall(f"{SVG}polyline") == [] and root.findall(f".//{SVG}script") == []
