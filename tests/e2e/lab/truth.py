# SPDX-License-Identifier: Apache-2.0
"""What the laboratory knows about every request and handshake it caused: the values that events are judged by."""

import itertools
from dataclasses import dataclass, field

from lab.pki import Certificate

AUTHENTICATED = ("authenticated", "verified_client_certificate")
NO_CERTIFICATE = ("bypass", "no_client_certificate")
NOT_VERIFIED = ("bypass", "client_certificate_not_verified")
PLAINTEXT = ("bypass", "plaintext_ingress")
DIRECT = ("bypass", "direct_connection")
SPOOFED = ("bypass", "identity_header_spoofed")
PREDATES = ("unknown", "predates_agent")
NOT_MONITORED = ("unknown", "peer_not_monitored")
REJECTED = ("none", "rejected_by_front")  # never reached the backend: no event is right

_REASONS_WITH_CERTIFICATE = (AUTHENTICATED, NOT_VERIFIED, SPOOFED)


@dataclass
class Truth:
    """One request."""
    cell: str  # which part of a test it belongs to; rows of the printed table
    request_id: str
    path: str
    method: str
    expected: tuple  # (verdict, reason)
    who: str
    certificate: Certificate = None  # what the client sent, verified or not
    source_ip: str = None
    source_port: int = None
    destination_port: int = None
    status: int = 0  # as the client saw it
    worker_pid: int = None  # as the response said
    peer_pid: int = None  # for a direct local connection
    service: str = None  # the backend's name, where a configuration gives it one
    protocol: str = None  # "TLSv1.3"; None for plaintext
    front_logs: bool = True  # nginx's access log has a line for it
    allow_unknown: bool = False  # "unknown" is no error here
    optional: bool = False  # the agent was not running all the time: no event is no error

    @property
    def reaches_backend(self):
        return self.expected != REJECTED

    @property
    def certificate_in_event(self):
        return self.certificate if self.expected in _REASONS_WITH_CERTIFICATE else None


OF_NO_TRUTH = "127.0.0.3"  # handshakes of clients at this address are in no ledger, and client ports come again


@dataclass
class HandshakeTruth:
    """One TLS handshake of a client with nginx."""
    cell: str
    source_port: int
    destination_port: int
    protocol: str
    certificate: Certificate = None
    verify_code: int = 0  # filled from nginx's own log where verification failed
    optional: bool = False


@dataclass
class Ledger:
    """Everything a test caused. Threads may add at once: list.append is atomic."""
    requests: list = field(default_factory=list)
    handshakes: list = field(default_factory=list)

    def cell(self, name):
        return [truth for truth in self.requests if truth.cell == name]


def expected(listener, certificate):
    """What nginx's documented behaviour makes of a client with this certificate (or None) on this listener."""
    if not listener.tls:
        return PLAINTEXT
    if certificate is None:
        return REJECTED if listener.verify == "on" else NO_CERTIFICATE
    if certificate.trusted:
        return AUTHENTICATED
    # optional_no_ca forgives a chain that cannot be built, not an expired certificate.
    forgiven = listener.verify == "optional_no_ca" and not certificate.expired
    return NOT_VERIFIED if forgiven else REJECTED


_numbers = itertools.count(1)


def new_request_id(who):
    return f"{who}-{next(_numbers):06d}"
