"""What starts a training again: today the schedules of the project file."""

from falaj.retraining.cron import Cron, CronError

__all__ = ["Cron", "CronError"]
