"""Locations and their agents: inviting, coming in, renewing certificates, and putting out.

The public routes prove who asks by what they are sent: a one-time token, or a request signed with a certified key.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from falaj.api.agent_mtls import AUTHORITY_PATH, ENROL_PATH, RETURN_PATH
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.core.principal import PrincipalKind
from falaj.schemas import workload
from falaj.storage.workload_tables import EnrolmentRow
from falaj.supply_chain.attestations.keyring import TRUSTED
from falaj.supply_chain.certificates import workload_certificates as certificates
from falaj.supply_chain.certificates.errors import PeerRefusedError
from falaj.trust import settings
from falaj.trust.pki import agent_certificates, enrolment
from falaj.trust.pki.errors import EnrolmentError

router = APIRouter(tags=["locations"])

LocationName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
EnrolledName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}(\.[a-z0-9]{1,12})?$")]
"""A location, or a machine of an executor: `EXECUTOR.ID`."""
RequestText = Annotated[str, StringConstraints(max_length=8192)]

_LOCATIONS = paged("location", {"location": (EnrolmentRow.location,)})


class InvitationCreate(BaseModel):
    """How long the token is to be good, in seconds."""

    model_config = ConfigDict(extra="forbid")
    life_s: float = Field(default=enrolment.INVITATION_LIFE_S, ge=1, le=7 * 86_400)


class EnrolmentRequest(BaseModel):
    """The token, the location that it is for, and a request for a certificate (PKCS#10, PEM)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    token: SecretStr = Field(max_length=200)
    location: EnrolledName
    request: RequestText


class CertificateRequest(BaseModel):
    """A request for a certificate (PKCS#10, PEM)."""

    model_config = ConfigDict(extra="forbid")
    request: RequestText


@router.get("/api/v1/locations", response_model=list[workload.Location], **action(Action.READ))
def list_locations(platform: Shared, page: Annotated[Paging, Depends(_LOCATIONS)]) -> list[workload.Location]:
    """Every location with the state of its agent, by name."""
    with platform.database.reading() as session:
        members = page.named(agent_certificates.members(session, platform.now()), lambda each: each.location)
        return [workload.Location(**vars(each)) for each in members]


@router.post(
    "/api/v1/locations/{location}/enrolment",
    response_model=workload.Invitation,
    **action(Action.MANAGE_PLATFORM),
)
def invite(location: LocationName, body: InvitationCreate, platform: Shared, caller: Caller) -> workload.Invitation:
    """Make a one-time token for the agent of a location."""
    port = platform.home.ports().get("agents")
    if port is None:
        hint = "falaj down, then falaj up --agents-port 8471"
        raise EnrolmentError("no port is open for agents elsewhere", hint=hint, code="workload.no-listener")
    with platform.database.transaction() as session:
        invitation = enrolment.invite(session, location, caller.id, platform.now(), body.life_s)
    return workload.Invitation(
        invitation.location, invitation.token, invitation.expires_at, port, platform.authority.fingerprint
    )


@router.delete("/api/v1/locations/{location}/enrolment", status_code=204, **action(Action.MANAGE_PLATFORM))
def forget(location: LocationName, platform: Shared, caller: Caller) -> None:
    """Put the agent of a location out: its certificates are refused from now on."""
    with platform.database.transaction() as session:
        agent_certificates.forget(session, location, caller.id, platform.now())


@router.post("/api/v1/locations/{location}/certificate", response_model=workload.Certificate, **action(Action.SERVE))
def renew(location: LocationName, body: CertificateRequest, platform: Shared, caller: Caller) -> workload.Certificate:
    """Issue the next certificate to an agent that asks with its present one."""
    if caller.kind is not PrincipalKind.WORKLOAD:
        raise PeerRefusedError("a certificate is renewed by the agent that has one")
    holder, now = certificates.requested_key(body.request), platform.now()
    with platform.database.transaction() as session:
        issued = agent_certificates.certify(
            session, platform.authority, agent_certificates.renewing(session, location), holder, now
        )
    return workload.Certificate(issued.certificate, issued.expires_at)


@router.post(
    "/api/v1/locations/{location}/door-certificate", response_model=workload.Certificate, **action(Action.SERVE)
)
def certify_door(location: LocationName, body: CertificateRequest, platform: Shared) -> workload.Certificate:
    """Issue the certificate that a location's door shows, for the names that the platform file gives it."""
    holder, now = certificates.requested_key(body.request), platform.now()
    with platform.database.reading() as session:
        place = settings.current(session).locations.get(location)
    if place is None or place.listen is None or place.listen.tls != "internal-ca":
        hint = "`listen` of the location in the platform file, with `tls: internal-ca`"
        raise EnrolmentError(f"the location '{location}' has no door with a certificate from here", hint=hint)
    issued = platform.authority.issue_door(holder, place.listen.names, now)
    return workload.Certificate(certificates.pem_of(issued), issued.not_valid_after_utc.timestamp())


@router.get(AUTHORITY_PATH, response_model=workload.Authority, **action(Action.PUBLIC))
def authority(platform: Shared) -> workload.Authority:
    """The certificate of the authority, for an agent that knows its fingerprint."""
    return workload.Authority(platform.authority.pem)


@router.post(ENROL_PATH, response_model=workload.Enrolled, **action(Action.PUBLIC))
def enrol(body: EnrolmentRequest, platform: Shared) -> workload.Enrolled:
    """Spend a token: the agent of a location comes in, and one that was in before is out."""
    holder, now = certificates.requested_key(body.request), platform.now()
    with platform.database.transaction() as session:
        row = enrolment.accept(session, body.token.get_secret_value(), body.location, now)
        issued = agent_certificates.certify(session, platform.authority, row, holder, now)
    return workload.Enrolled(issued.certificate, issued.expires_at, _trusted(platform))


@router.post(RETURN_PATH, response_model=workload.Certificate, **action(Action.PUBLIC))
def come_back(body: CertificateRequest, platform: Shared) -> workload.Certificate:
    """Issue a certificate to an agent whose last one ran out while it was cut off, for the same key and no other."""
    holder, now = certificates.requested_key(body.request), platform.now()
    with platform.database.transaction() as session:
        issued = agent_certificates.certify(
            session, platform.authority, agent_certificates.returning(session, holder, now), holder, now
        )
    return workload.Certificate(issued.certificate, issued.expires_at)


def _trusted(platform: Platform) -> str:
    return (platform.keyring.folder / TRUSTED).read_text()
