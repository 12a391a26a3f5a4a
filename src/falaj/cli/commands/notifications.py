"""Subscribers of events: list, resend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, emit, emit_json, emit_table

if TYPE_CHECKING:
    from falaj.schemas.notifications import Subscriber

_REMOVED = "(not in the platform file)"


def list_subscribers(json: JsonOption = False) -> None:
    """List subscribers with their events, last delivery and failures."""
    subscriptions = open_client().notifications.list()
    if json:
        emit_json(subscriptions)
        return
    rows = [
        (
            each.id, each.url or _REMOVED, " ".join(each.events), each.delivered, each.waiting, each.failed,
            "-" if each.last_delivery is None else ago(each.last_delivery),
        )
        for each in subscriptions
    ]  # fmt: skip
    header = ("subscriber", "address", "events", "delivered", "waiting", "failed", "last")
    emit_table(header, rows, empty="no subscribers; `notifications` in platform.yaml defines them")
    for each in subscriptions:
        _show_trouble(each)


def resend(
    subscriber: Annotated[str, typer.Argument(help="Id of the subscriber.")],
    event: Annotated[int, typer.Option(help="This event alone; by default all that failed.")] = 0,
) -> None:
    """Send failed events again, under the same ids."""
    count = open_client().notifications.resend(subscriber, event or None)
    emit(f"{count} event{'' if count == 1 else 's'} on the way again")


def _show_trouble(subscriber: Subscriber) -> None:
    if subscriber.last_error and (subscriber.waiting or subscriber.failed):
        emit(f"{subscriber.id}: {subscriber.last_error}")
    for failure in subscriber.failures:
        what = f"event {failure.event}, {failure.kind} of {failure.subject}"
        emit(f"  {what}: given up after {failure.attempts} attempts, {ago(failure.at)}")
    if subscriber.failures:
        emit(f"  falaj platform notification resend {subscriber.id} sends them again")
