"""The tree of commands: every command once, with the function that it calls, and the page that `falaj --help` prints.

A command line imports the module of its command and no other; the overview imports none. To add a command, add a line
to `COMMANDS`, and one to `GROUPS` where its group is new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from falaj import __version__


class ShortCommand(NamedTuple):
    """A word that stands for a command of a group."""

    path: str
    summary: str


OPTIONS = {
    "--home": "Folder of the installation.",
    "--account": "Act as this account, which has logged in here.",
    "--debug": "Show the traceback of an error.",
    "--version": "Print the version.",
    "--help": "Print this page, or the help of a command.",
}
"""Options of every command; they stand before the command."""

HOST_COMMANDS = {
    "up": ShortCommand("platform up", "Start the platform on this machine."),
    "down": ShortCommand("platform down", "Stop the platform."),
    "status": ShortCommand("platform status", "Show processes and endpoints."),
    "open": ShortCommand("platform open", "Open the web UI."),
    "doctor": ShortCommand("platform doctor", "Check that this machine can run the platform."),
    "login": ShortCommand("access login", "Log in; commands act as you from now on."),
    "logout": ShortCommand("access logout", "Log out."),
}
MODEL_COMMANDS = {
    "init": ShortCommand("project init", "Create a project, or show what a folder needs to be one."),
    "validate": ShortCommand("project validate", "Check falaj.yaml without running anything."),
    "retrain": ShortCommand("monitor training start", "Train a model again on new data."),
    "promote": ShortCommand("change request", "Request a release in an environment."),
    "approve": ShortCommand("change approve", "Review a change and sign its approval."),
    "predict": ShortCommand("endpoint predict", "Predict through an endpoint."),
    "score": ShortCommand("endpoint score", "Predict for every row of a file."),
    "why": ShortCommand("endpoint explain", "Explain why an endpoint serves its release."),
    "trace": ShortCommand("endpoint trace", "Trace a prediction back to code and data."),
    "lineage": ShortCommand("audit lineage show", "Show what something came from, or what it reached."),
}
SHORT_COMMANDS = HOST_COMMANDS | MODEL_COMMANDS
"""Words for what people type most; each calls the code of the command that it stands for."""

GROUPS = {
    "project": "Projects: files, repositories, data and secrets.",
    "project ci": "Files of CI systems.",
    "project data": "Tables: profile one, or compare two.",
    "project secret": "Secrets of the steps of a project.",
    "run": "Run the project of this checkout; list, compare and follow runs.",
    "release": "Releases: evidence, gates and artifacts.",
    "release artifact": "Artifacts of runs and releases.",
    "release gate": "Regression gates.",
    "release image": "Releases as OCI images.",
    "change": "Changes: request, approve, review, cancel and roll back.",
    "rollout": "Rollouts: how a candidate compares with the stable release.",
    "endpoint": "Endpoints: predictions, labels and callers.",
    "endpoint caller": "Callers: who may send requests to an endpoint.",
    "monitor": "Monitoring: drift, performance, alerts and training.",
    "monitor alert": "Alerts of monitors.",
    "monitor training": "Trainings that monitors, schedules or people start.",
    "location": "Locations: where endpoints run, and their agents.",
    "access": "Accounts, sessions, tokens, keys and policies.",
    "access account": "Accounts of people and services.",
    "access approval-key": "Your keys that sign approvals.",
    "access otp": "One-time passwords of an authenticator application.",
    "access policy": "Policies: who may do what, and why.",
    "access security-key": "Your security keys and passkeys.",
    "access token": "Tokens for programs.",
    "privacy": "Personal data: records, requests, breaches and reports.",
    "privacy breach": "Breaches of personal data and their notification deadlines.",
    "privacy dsar": "Data subject access requests and their deadlines.",
    "privacy record": "Signed records of documents: transfers, assessments, classifications.",
    "audit": "The audit log: list, verify and export it; lineage.",
    "audit lineage": "Lineage: where data, runs and releases come from.",
    "platform": "The installation: processes, platform.yaml, keys and backups.",
    "platform executor": "Executors: where steps of runs are carried out.",
    "platform key": "Keys that encrypt stored data.",
    "platform notification": "Subscribers that receive events by webhook.",
    "platform secret": "Secrets that platform.yaml refers to.",
}
"""Groups of commands in the order of the help, each with its summary."""

COMMANDS = {
    "project init": "project_files:init",
    "project validate": "project_files:validate",
    "project schema": "project_files:schema",
    "project list": "projects:list_projects",
    "project add": "projects:add",
    "project hook": "projects:hook",
    "project ci init": "project_files:ci_init",
    "project data profile": "profile:profile",
    "project secret set": "secrets:set_of_project",
    "project secret list": "secrets:list_of_project",
    "project secret remove": "secrets:remove_of_project",
    "run": "runs:run",
    "run start": "runs:start",
    "run list": "runs:list_runs",
    "run show": "run_inspection:show",
    "run watch": "run_inspection:watch",
    "run logs": "run_inspection:logs",
    "run figures": "figures:figures",
    "run compare": "run_inspection:compare",
    "run cancel": "runs:cancel",
    "release list": "releases:list_releases",
    "release show": "releases:show",
    "release verify": "releases:verify",
    "release export": "releases:export",
    "release card": "releases:model_card",
    "release archive": "releases:archive",
    "release restore": "releases:restore",
    "release retire": "releases:retire",
    "release revoke": "releases:revoke",
    "release artifact show": "artifacts:show",
    "release artifact copy": "artifacts:copy",
    "release image build": "images:build",
    "release image push": "images:push",
    "release image manifest": "images:manifest",
    "release gate list": "gates:list_gates",
    "release gate accept": "gates:accept",
    "release gate reject": "gates:reject",
    "release gate retire": "gates:retire",
    "change request": "changes:request",
    "change list": "changes:list_changes",
    "change show": "changes:show",
    "change approve": "changes:approve",
    "change reject": "changes:reject",
    "change review": "changes:review",
    "change cancel": "changes:cancel",
    "change rollback": "changes:rollback",
    "rollout list": "rollouts:list_rollouts",
    "rollout show": "rollouts:show",
    "rollout watch": "rollouts:watch",
    "rollout simulate": "rehearsals:simulate",
    "rollout pause": "rollouts:pause",
    "rollout resume": "rollouts:resume",
    "rollout promote": "rollouts:promote",
    "rollout skip": "rollouts:skip",
    "rollout abort": "rollouts:abort",
    "endpoint list": "serving:list_endpoints",
    "endpoint explain": "lineage:why",
    "endpoint predict": "serving:predict",
    "endpoint trace": "lineage:trace",
    "endpoint score": "scoring:score",
    "endpoint label-import": "feedback:import_labels",
    "endpoint prediction-export": "predictions:export",
    "endpoint caller add": "callers:add",
    "endpoint caller list": "callers:list_callers",
    "endpoint caller revoke": "callers:revoke",
    "monitor list": "monitoring:list_monitors",
    "monitor drift": "monitoring:drift",
    "monitor performance": "monitoring:performance",
    "monitor simulate": "simulations:simulate",
    "monitor alert list": "monitoring:list_alerts",
    "monitor alert show": "monitoring:show",
    "monitor alert triage": "monitoring:triage",
    "monitor alert ack": "monitoring:ack",
    "monitor alert mute": "monitoring:mute",
    "monitor alert resolve": "monitoring:resolve",
    "monitor training list": "trainings:list_trainings",
    "monitor training start": "trainings:start",
    "monitor training resume": "trainings:resume",
    "location list": "locations:list_locations",
    "location enroll": "locations:enroll",
    "location deregister": "locations:deregister",
    "location explain": "locations:explain",
    "location rules": "locations:rules",
    "access whoami": "identity:whoami",
    "access login": "identity:log_in",
    "access logout": "identity:log_out",
    "access bootstrap": "identity:bootstrap",
    "access account add": "accounts:add",
    "access account list": "accounts:list_accounts",
    "access account lock": "accounts:lock",
    "access account unlock": "accounts:unlock",
    "access account roles": "accounts:set_roles",
    "access account link": "accounts:link",
    "access account reset-password": "identity:reset_password",
    "access token create": "identity:create_token",
    "access token list": "identity:list_tokens",
    "access token revoke": "identity:revoke_token",
    "access otp enroll": "identity:enroll",
    "access otp remove": "identity:remove",
    "access security-key register": "federation:register_key",
    "access security-key list": "federation:list_keys",
    "access security-key remove": "federation:remove_key",
    "access approval-key list": "identity:list_keys",
    "access approval-key revoke": "identity:revoke_key",
    "access policy show": "policy:show",
    "access policy explain": "policy:explain",
    "access policy ask": "policy:ask",
    "access policy test": "policy:try_policies",
    "privacy find": "privacy:find",
    "privacy export": "privacy:export",
    "privacy erase": "privacy:erase",
    "privacy index": "privacy:index",
    "privacy classification": "privacy:classification",
    "privacy ropa": "privacy:ropa",
    "privacy report": "privacy:report",
    "privacy record add": "privacy:add_record",
    "privacy record list": "privacy:list_records",
    "privacy record verify": "privacy:verify_record",
    "privacy record withdraw": "privacy:withdraw",
    "privacy breach list": "privacy:list_breaches",
    "privacy breach open": "privacy:open_breach",
    "privacy breach notify": "privacy:notify",
    "privacy breach close": "privacy:close_breach",
    "privacy dsar list": "privacy:list_requests",
    "privacy dsar open": "privacy:open_request",
    "privacy dsar close": "privacy:close_request",
    "audit list": "audit:list_entries",
    "audit checkpoint": "audit:checkpoint",
    "audit export": "audit:export",
    "audit verify": "audit:verify",
    "audit redact": "audit:redact",
    "audit lineage show": "lineage:lineage",
    "platform up": "platform:up",
    "platform down": "platform:down",
    "platform status": "platform:status",
    "platform open": "platform:open_ui",
    "platform doctor": "platform:doctor",
    "platform server": "platform:server",
    "platform worker": "platform:worker",
    "platform agent": "platform:agent",
    "platform plan": "settings:plan",
    "platform apply": "settings:apply",
    "platform show": "settings:show",
    "platform versions": "settings:versions",
    "platform drift": "settings:drift",
    "platform backup": "settings:backup",
    "platform restore": "settings:restore",
    "platform gc": "artifacts:collect",
    "platform mlflow": "platform:mlflow_ui",
    "platform executor list": "executors:list_executors",
    "platform executor enroll": "executors:enroll",
    "platform executor deregister": "executors:deregister",
    "platform key list": "keys:list_keys",
    "platform key rotate": "keys:rotate",
    "platform key destroy": "keys:destroy",
    "platform key rewrap": "keys:rewrap",
    "platform secret set": "secrets:set_of_platform",
    "platform secret list": "secrets:list_of_platform",
    "platform secret remove": "secrets:remove_of_platform",
    "platform notification list": "notifications:list_subscribers",
    "platform notification resend": "notifications:resend",
}
"""By path, the module of `falaj.cli.commands` and the function; a group that does something alone stands here too."""


def children(path: str) -> list[str]:
    """The words that may follow a path, commands before groups; the short commands first where it is empty."""
    parent = f"{path} " if path else ""
    paths = [*(COMMANDS if path else SHORT_COMMANDS), *GROUPS]
    words = [each.removeprefix(parent) for each in paths if each.startswith(parent)]
    return [word for word in words if " " not in word]


def commands_per_group() -> dict[str, int]:
    """How many commands each of the groups has; the short commands are commands of these."""
    return dict(Counter(path.partition(" ")[0] for path in COMMANDS))


def version_line() -> str:
    """What `falaj --version` prints."""
    return f"falaj {__version__}"


def overview() -> str:
    """What `falaj --help` prints."""
    groups = {path: summary for path, summary in GROUPS.items() if " " not in path}
    panels = {
        "This machine:": {word: short.summary for word, short in HOST_COMMANDS.items()},
        "From a checkout to production:": {word: short.summary for word, short in MODEL_COMMANDS.items()},
        "Groups (falaj GROUP --help):": groups,
        "Options:": OPTIONS,
    }
    lines = ["Usage: falaj [OPTIONS] COMMAND [ARGS]...", "From a git commit to governed production and back."]
    return "\n".join([*lines, *(line for title, rows in panels.items() for line in _panel(title, rows))])


def _panel(title: str, rows: dict[str, str]) -> Iterator[str]:
    yield from ("", title)
    yield from (f"  {word:<10}  {summary}" for word, summary in rows.items())
