# SPDX-License-Identifier: Apache-2.0
"""What every TLS-ending program of the laboratory has: doors (ports), a child process, a log that says what it saw."""

import socket
from dataclasses import dataclass, field

from lab.host import Child, free_port, wait_until

# X509_V_ERR_* that stand for "the chain cannot be built", which "optional_no_ca" of nginx and Apache forgives.
CHAIN_ERRORS = (18, 19, 20, 21, 27)

GIVES_UP_S = 10  # on a client that falls silent in a handshake


@dataclass(frozen=True)
class Door:
    """One port. mode: "required", "revoking" (and looks into a revocation list), "optional" or "ignoring" (asks, and lets
    everybody in), "none" (does not ask), or None for plaintext. sessions: "tickets", "cache" (no tickets), "builtin" (no tickets, cache of one process).
    variant: the front's own choice, see its class."""
    mode: str = None
    sessions: str = "tickets"
    variant: str = ""
    port: int = field(default_factory=free_port)


# Every mode with tickets, those that people resume at with a cache, and a plaintext door.
USUAL_DOORS = (("required", "tickets"), ("optional", "tickets"), ("ignoring", "tickets"),
               ("required", "cache"), ("optional", "cache"), ("ignoring", "cache"))


@dataclass(frozen=True)
class Seen:
    """What a front's own log says of a connection. None: it does not say."""
    serial: str = None  # upper-case hex without leading zeros; "" for no certificate
    subject: str = None  # some fronts log this instead
    verify_code: int = None
    resumed: bool = None
    server_name: str = None
    verify_depth: int = None  # of the certificate that verify_code is about


@dataclass(frozen=True)
class Outcome:
    """What must come of a handshake by the front's documented behaviour."""
    accepted: bool  # by TLS
    verify_code: int  # None where nothing was verified
    reason: str  # event.reason
    verify_depth: int = None  # of the certificate that verify_code is about; None where that is 0


def plain_serial(text):
    """"00:0C:A2", "0ca2" -> "CA2"."""
    return text.replace(":", "").upper().lstrip("0")


class Front:
    """name: short and unique; rows of tables. lenient: TLS takes every certificate and HTTP refuses it later."""

    name = ""
    lenient = False
    versions = ("TLSv1.2", "TLSv1.3")
    logs_depth = False  # its log says which certificate of a chain failed
    logs_facts = True  # its log says whose certificate it was
    resumes = True  # takes sessions of before, except:
    never_resumed = ()  # "VERSION COLUMN" of the matrix
    trusted = True  # a front by discovery, whose word about a client is taken
    untold = ()  # "VERSION COLUMN" of the matrix: whose session it is, is not seen
    gives_up = True  # on a client that falls silent
    old_protocol_reasons = ("unsupported_protocol",)
    refuses_after_handshake = False  # where TLS is lenient there may be no HTTP to refuse with: it hangs up

    def __init__(self, directory, pki, doors):
        self.directory, self.pki, self.doors = directory / self.name, pki, list(doors)
        self.directory.mkdir(mode=0o755)
        self.child = None

    def start(self, argv, environment=None):
        self.child = Child(self.name, argv, self.directory, environment)
        if not wait_until(lambda: all(map(_accepts, self.doors)) or not self.child.running()):
            raise RuntimeError(f"{self.name} does not listen: {self.problems()}")
        if not self.child.running():
            raise RuntimeError(f"{self.name} ended at start: {self.problems()}")

    def problems(self):
        return self.child.errors() + self.child.stdout_path.read_text(errors="replace")[-2000:]

    def door(self, mode, sessions="tickets", variant=""):
        """The door of this kind, or None."""
        wanted = (mode, sessions, variant)
        return next((door for door in self.doors if (door.mode, door.sessions, door.variant) == wanted), None)

    def forgives(self, _door, _verify_code):
        """Whether an "ignoring" door lets this error pass."""
        return True

    def outcome(self, door, certificate):
        """certificate: a Certificate, or None for none sent."""
        if certificate is None:
            refused = door.mode == "required" and not self.lenient
            return Outcome(False, None, "peer_did_not_return_a_certificate") if refused else Outcome(
                True, 0, "no_client_certificate")
        if certificate.trusted:
            return Outcome(True, 0, "verified_client_certificate")
        carries_on = self.lenient or door.mode == "ignoring"  # past the first error; the last one is kept
        code, depth = {"expired": (10, 0), "selfsigned": (18, 0), "foreign": (21 if carries_on else 20, 0), "lapsed": (10, 1),
                       "stray": (20, 1), "rooted": (19, 1), "revoked": (23, 0)}[certificate.who]
        if self.lenient or (door.mode == "ignoring" and self.forgives(door, code)):
            return Outcome(True, code, "client_certificate_not_verified", depth)
        return Outcome(False, code, "certificate_verify_failed", depth)

    def seen(self):
        """(source port, door's port) -> Seen, for every connection that its log tells of."""
        return {}

    def stop(self):
        return self.child.stop()


def _accepts(door):
    try:
        socket.create_connection(("127.0.0.1", door.port), 1).close()
        return True
    except OSError:
        return False
