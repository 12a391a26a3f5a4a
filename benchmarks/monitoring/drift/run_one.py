"""Measures one detector in its own environment and prints JSON; `against_peers.py` starts it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from detectors import DETECTORS  # noqa: E402
from scenarios import CHANGED, CHANGES, REFERENCE_ROWS, WINDOW_ROWS, shifted, stream, synthetic  # noqa: E402

BLOCKS = np.arange(WINDOW_ROWS) * 8 // WINDOW_ROWS


def calibrated(make, rng: np.random.Generator):
    return make(synthetic(rng, REFERENCE_ROWS), np.arange(REFERENCE_ROWS) * 40 // REFERENCE_ROWS)


def speed(make, rows: int, rounds: int) -> float:
    """CPU seconds of judging a window of so many rows, the best of some rounds.

    The reference and the form of the window are prepared before, and a small window was judged, so that nothing is
    imported or compiled for the first time.
    """
    rng = np.random.default_rng(1)
    detector = calibrated(make, rng)
    detector.drifted(detector.prepare(synthetic(rng, WINDOW_ROWS), BLOCKS))
    ready = detector.prepare(synthetic(rng, rows), np.arange(rows) * 8 // rows)
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        detector.drifted(ready)
        spent.append(time.process_time() - begun)
    return min(spent)


def false_alarms(make, name: str, data: Path, streams: int, windows: int) -> list[float]:
    """Shares: windows with an alarm, streams with one, and false findings a window."""
    alarmed, touched, findings = 0, 0, 0
    for seed in range(streams):
        reference, blocks, window_pairs = stream(name, data, windows, 100 + seed)
        detector, any_alarm = make(reference, blocks), False
        for window, block in window_pairs:
            drifted_columns = detector.drifted(detector.prepare(window, block))
            alarmed += bool(drifted_columns)
            findings += len(drifted_columns)
            any_alarm = any_alarm or bool(drifted_columns)
        touched += any_alarm
    return [alarmed / (streams * windows), touched / streams, findings / (streams * windows)]


def power(make, references: int, windows: int) -> dict[str, list[float]]:
    """By change: share of windows in which what changed is named, and in which anything is. Same windows for all."""
    answer = {}
    for change in CHANGES:
        rng = np.random.default_rng(7)
        named, any_alarm = 0, 0
        for _ in range(references):
            detector = calibrated(make, rng)
            for _ in range(windows):
                window = shifted(rng, synthetic(rng, WINDOW_ROWS), change)
                drifted_columns = detector.drifted(detector.prepare(window, BLOCKS))
                named += CHANGED.get(change) in drifted_columns
                any_alarm += bool(drifted_columns)
        answer[change] = [named / (references * windows), any_alarm / (references * windows)]
    answer["gradual"] = gradual(make)
    return answer


def gradual(make, runs: int = 8, windows: int = 20) -> list[float]:
    """Mean windows until a shift is named that grows by a tenth of .25 sigma a window, and share of runs where never.

    Where it is not within 20 windows, 20 count.
    """
    rng, delays, never = np.random.default_rng(11), [], 0
    for _ in range(runs):
        detector = calibrated(make, rng)
        gradual_windows = [
            shifted(rng, synthetic(rng, WINDOW_ROWS), "gradual", min(1.0, n / 10)) for n in range(1, windows + 1)
        ]
        for since, window in enumerate(gradual_windows, 1):
            if CHANGED["gradual"] in detector.drifted(detector.prepare(window, BLOCKS)):
                delays.append(since)
                break
        else:
            delays.append(windows)
            never += 1
    return [sum(delays) / runs, never / runs]


def main(name: str, task: str, *arguments: str) -> None:
    make = DETECTORS[name]
    match task:
        case "speed":
            answer = speed(make, int(arguments[0]), int(arguments[1]))
        case "false":
            answer = false_alarms(make, arguments[0], Path(arguments[1]), int(arguments[2]), int(arguments[3]))
        case "power":
            answer = power(make, int(arguments[0]), int(arguments[1]))
    print("ANSWER", json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
