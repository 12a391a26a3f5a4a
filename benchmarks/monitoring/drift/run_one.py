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
from scenarios import CHANGES, REFERENCE_ROWS, WINDOW_ROWS, shifted, stream, synthetic  # noqa: E402

BLOCKS = np.arange(WINDOW_ROWS) * 8 // WINDOW_ROWS


def speed(make, rows: int, rounds: int) -> float:
    """CPU seconds of judging a window of so many rows, the best of some rounds; the reference is prepared before."""
    rng = np.random.default_rng(1)
    detector = make(synthetic(rng, REFERENCE_ROWS), np.arange(REFERENCE_ROWS) * 40 // REFERENCE_ROWS)
    window, blocks = synthetic(rng, rows), np.arange(rows) * 8 // rows
    ready = getattr(detector, "prepare", lambda table: table)(window)
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        detector.found(ready, blocks)
        spent.append(time.process_time() - begun)
    return min(spent)


def false_alarms(make, name: str, data: Path, streams: int, windows: int) -> list[float]:
    """Shares: windows with an alarm, streams with one, and false findings a window."""
    alarmed, touched, findings = 0, 0, 0
    for seed in range(streams):
        reference, blocks, made = stream(name, data, windows, 100 + seed)
        detector, any_alarm = make(reference, blocks), False
        for window, block in made:
            found = detector.found(getattr(detector, "prepare", lambda table: table)(window), block)
            alarmed += bool(found)
            findings += len(found)
            any_alarm = any_alarm or bool(found)
        touched += any_alarm
    return [alarmed / (streams * windows), touched / streams, findings / (streams * windows)]


def power(make, windows: int) -> dict[str, list[float]]:
    """Share of windows in which a change is found, by change; and the mean number of windows until it is."""
    answer = {}
    for change in CHANGES[1:]:
        rng = np.random.default_rng(7)
        hits, delays = 0, []
        for _ in range(2):
            detector = make(synthetic(rng, REFERENCE_ROWS), np.arange(REFERENCE_ROWS) * 40 // REFERENCE_ROWS)
            since = 0
            for _ in range(windows // 2):
                window = shifted(rng, synthetic(rng, WINDOW_ROWS), change)
                since += 1
                if detector.found(getattr(detector, "prepare", lambda table: table)(window), BLOCKS):
                    hits += 1
                    delays.append(since)
                    since = 0
            delays += [since] if since else []
        answer[change] = [hits / windows, sum(delays) / max(1, hits)]
    answer["gradual"] = [0.0, gradual(make)]
    return answer


def gradual(make, windows: int = 20) -> float:
    """Mean number of windows until a shift is found that grows by a tenth of .25 sigma a window."""
    rng, delays = np.random.default_rng(11), []
    for _ in range(5):
        detector = make(synthetic(rng, REFERENCE_ROWS), np.arange(REFERENCE_ROWS) * 40 // REFERENCE_ROWS)
        for since in range(1, windows + 1):
            window = shifted(rng, synthetic(rng, WINDOW_ROWS), "gradual", min(1.0, since / 10))
            if detector.found(getattr(detector, "prepare", lambda table: table)(window), BLOCKS) or since == windows:
                delays.append(since)
                break
    return sum(delays) / len(delays)


def main(name: str, task: str, *arguments: str) -> None:
    make = DETECTORS[name]
    match task:
        case "speed":
            answer = speed(make, int(arguments[0]), int(arguments[1]))
        case "false":
            answer = false_alarms(make, arguments[0], Path(arguments[1]), int(arguments[2]), int(arguments[3]))
        case "power":
            answer = power(make, int(arguments[0]))
    print("ANSWER", json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
