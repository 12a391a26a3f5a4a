"""Accounts of one's own: bootstrap, login, logout, passwords, tokens, one-time passwords, approval keys."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.commands.federation import log_in_by_browser
from falaj.cli.connection import open_client
from falaj.cli.options import EveryOption, JsonOption, LimitOption
from falaj.cli.output import clock, emit, emit_json, emit_table
from falaj.cli.paging import first_rows
from falaj.core.errors import UsageError
from falaj.core.home import Home
from falaj.sdk import Client, ProblemError
from falaj.sdk.credentials import Credentials, NotLoggedInError

if TYPE_CHECKING:
    from falaj.schemas.identity import GrantedRole, LoggedIn, WhoAmI

StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
ServicesOption = Annotated[bool, typer.Option("--services", help="Those of services, as an administrator.")]


def bootstrap(
    link: Annotated[str, typer.Argument(help="The link that falaj up printed.")],
    name: Annotated[str, typer.Option(help="Name of the first administrator.", prompt=True)],
    email: Annotated[str, typer.Option(help="Address of the first administrator.", prompt=True)],
    password_stdin: StdinOption = False,
) -> None:
    """Create the first administrator and log in."""
    password = _new_password(password_stdin)
    _entered(name, _nobody().identity.set_up(link, name, email, password))


def log_in(
    name: Annotated[str, typer.Option("--account", help="Name of the account; by default the last one.")] = "",
    otp: Annotated[str, typer.Option(help="One-time password of the application.")] = "",
    password_stdin: StdinOption = False,
    oidc: Annotated[bool, typer.Option("--oidc", help="By the identity provider, in a browser.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the browser; the address is printed anyway.")] = True,
) -> None:
    """Log in; commands act as you from now on, and your approval key is registered."""
    if oidc:
        _entered_by_provider(name, log_in_by_browser(_nobody(), open_browser=browser))
        return
    chosen = name or _credentials().current or _prompt("name")
    password = _password(password_stdin)
    _entered(chosen, _with_code(_nobody(), chosen, password, otp))


def log_out() -> None:
    """End the session; commands use the installation's own token again where it can be read."""
    try:
        if _credentials().current:
            open_client().identity.log_out()
    except (ProblemError, NotLoggedInError):
        pass  # it had ended already
    gone = _credentials().forget()
    emit(f"{gone} is logged out" if gone else "nobody was logged in")


def reset_password(
    link: Annotated[str, typer.Argument(help="The link that an administrator gave you.")],
    password_stdin: StdinOption = False,
) -> None:
    """Choose a password with a one-time link."""
    password = _new_password(password_stdin)
    _nobody().identity.choose_password(link, password)
    emit("the password is set; falaj login --account NAME")


def whoami(json: JsonOption = False) -> None:
    """Show the current user and roles."""
    me = open_client().identity.whoami()
    if json:
        emit_json(me)
    else:
        _describe(me)


def create_token(
    label: Annotated[str, typer.Argument(help="What you will recognise it by.")],
    actions: Annotated[str, typer.Option(help="What it may be used for at most, such as read,run.")],
    days: Annotated[float, typer.Option(help="Days until it expires.", min=0.001, max=365)] = 30.0,
    service: Annotated[str, typer.Option(help="The service that it acts as; by default you.")] = "",
    json: JsonOption = False,
) -> None:
    """Create a token; it is shown only once."""
    scope = [action.strip() for action in actions.split(",") if action.strip()]
    issued = open_client().identity.create_token(label, scope, days, service)
    if json:
        emit_json(issued)
        return
    emit(issued.secret)
    emit(f"acts as {issued.token.account} for {', '.join(issued.token.actions)} until {clock(issued.token.expires_at)}")


def list_tokens(
    services: ServicesOption = False,
    limit: LimitOption = 50,
    everything: EveryOption = False,
    json: JsonOption = False,
) -> None:
    """List tokens, without their secrets."""
    tokens = partial(open_client().identity.tokens, services=services)
    token_list = first_rows(tokens, None if everything else limit)
    if json:
        emit_json(token_list)
        return
    rows = [
        (t.id, t.account, t.label, ",".join(t.actions), clock(t.expires_at), "revoked" if t.revoked_at else "-")
        for t in token_list
    ]
    emit_table(("token", "acts as", "label", "actions", "expires", "state"), rows, empty="no tokens")


def revoke_token(
    token: Annotated[str, typer.Argument(help="Id of the token.")], services: ServicesOption = False
) -> None:
    """Revoke a token; it is refused from now on."""
    open_client().identity.revoke_token(token, services=services)
    emit(f"{token} is revoked")


def enroll(
    code: Annotated[str, typer.Option(help="A code, instead of being asked for it.")] = "",
) -> None:
    """Enroll an authenticator application; each login requires its code from now on."""
    client = open_client()
    enrolment = client.identity.enrol_totp()
    emit(f"secret  {enrolment.secret}")
    emit(f"uri     {enrolment.uri}")
    client.identity.confirm_totp(code or _prompt("code of the application"))
    emit("enrolled")


def remove() -> None:
    """Remove the application; requires a login of the last five minutes."""
    open_client().identity.remove_totp()
    emit("the application is removed")


def list_keys(json: JsonOption = False) -> None:
    """List your valid approval keys."""
    key_list = open_client().identity.approval_keys()
    if json:
        emit_json(key_list)
        return
    rows = [(key.key_id, clock(key.not_before), clock(key.not_after)) for key in key_list]
    emit_table(("key", "since", "until"), rows, empty="no approval keys; falaj login registers one")


def revoke_key(key: Annotated[str, typer.Argument(help="Id of the key.")]) -> None:
    """Revoke an approval key: its signatures are no longer accepted."""
    open_client().identity.revoke_key(key)
    emit(f"{key[:16]} is revoked; delete its file, and log in for a new one")


def role_text(role: GrantedRole) -> str:
    """A role with its scope: `ml-engineer`, `ml-engineer@project`, `release-manager:prod`."""
    project = f"@{role.project}" if role.project else ""
    return f"{role.role}{project}{':' + role.environment if role.environment else ''}"


def _entered(name: str, opened: LoggedIn) -> None:
    """Keep the session, and register the key that this person approves with."""
    credentials = _credentials()
    credentials.keep(name, opened)
    client = Client(_home().server_url, opened.token)
    key = client.identity.register_key(credentials.approval_key(name), opened.person)
    emit(f"logged in as {opened.person} until {clock(opened.expires_at)}")
    emit(f"approval key {key.key_id[:16]} in {credentials.approval_key(name)}, good until {clock(key.not_after)}")


def _entered_by_provider(name: str, opened: LoggedIn) -> None:
    """Keep the session of whom the provider vouched for; when somebody else was named, nobody is logged in."""
    person, named = opened.person.partition(":")[2], name or _credentials().profile
    if named and named != person:
        Client(_home().server_url, opened.token).identity.log_out()
        raise UsageError(f"the identity provider says that you are {person}, not {named}")
    if opened.step_up_method is not None:
        _entered(person, opened)
        return
    _credentials().keep(person, opened)
    emit(f"logged in as {opened.person} until {clock(opened.expires_at)}")
    emit("no approval key: the identity provider does not say that you proved just now who you are")


def _with_code(client: Client, name: str, password: str, otp: str) -> LoggedIn:
    """Log in; ask for the one-time password when it turns out to be needed and someone is there to answer."""
    try:
        return client.identity.log_in(name, password, otp)
    except ProblemError as error:
        if error.code != "identity.otp-needed" or not sys.stdin.isatty():
            raise
        return client.identity.log_in(name, password, _prompt("one-time password"))


def _describe(me: WhoAmI) -> None:
    emit(f"{me.id}  {me.email or ''}".rstrip())
    emit(f"groups  {', '.join(me.groups) or '-'}")
    if me.actions is not None:
        emit(f"scope   {', '.join(me.actions)}")
    if me.step_up_at is not None:
        emit(f"proved  {clock(me.step_up_at)} by {me.step_up_method}")
    emit_table(("role", "from"), [(role_text(role), role.source) for role in me.roles], empty="no roles")


def _home() -> Home:
    return Home.from_environment()


def _credentials() -> Credentials:
    return Credentials.of(_home())


def _nobody() -> Client:
    """A client that carries nothing: what it calls is open to everyone."""
    return Client(_home().server_url, "")


def _prompt(what: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"the {what} is required", hint=f"give the {what} as an option")
    return str(typer.prompt(what))


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\n") if from_stdin else str(typer.prompt("password", hide_input=True))


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        return _password(from_stdin)
    return str(typer.prompt("new password", hide_input=True, confirmation_prompt=True))
