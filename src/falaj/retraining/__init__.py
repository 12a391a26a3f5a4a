"""What starts a training again: today the schedules of the project file."""

from falaj.retraining.schedules import start_due

__all__ = ["start_due"]
