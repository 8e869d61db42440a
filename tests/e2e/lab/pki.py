# SPDX-License-Identifier: Apache-2.0
"""Certificates of the laboratory. They are made with python3-cryptography; the facts that events are compared with are
read back with the openssl command, so that maker and witness are two programs."""

import datetime
import ipaddress
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A client certificate: where it is, and what an event must say about it."""
    who: str
    certificate_file: Path
    key_file: Path
    serial: str  # upper-case hex
    subject: str  # RFC 2253
    issuer: str
    sha256: str  # upper-case hex, no colons
    alternative_name: str
    trusted: bool  # the front's client CA issued it and it has not expired
    expired: bool
    chain_file: Path = None  # what the client sends behind it
    chain: tuple = ()  # facts of those, by the same names


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: object
    file: Path


@dataclass(frozen=True)
class Pki:
    server_ca_file: Path
    server_certificate_file: Path
    server_key_file: Path
    client_ca_file: Path
    client_crl_file: Path  # revokes "revoked"
    clients: dict  # who -> Certificate

    def __getitem__(self, who):
        return self.clients[who]


def _name(common_name):
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Shop"),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ])


def _new_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _sign(name, key, issuer, serial, extensions, days=30):
    """issuer: an _Authority, or None for a self-signed certificate. days: until it ends, from now."""
    now = datetime.datetime.utcnow()
    begins, ends = (now - datetime.timedelta(days=30), now + datetime.timedelta(days=days))
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else name, name, key.public_key(), serial, begins, ends)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _write(directory, stem, certificate, key):
    certificate_file, key_file = directory / f"{stem}.crt", directory / f"{stem}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    key_file.chmod(0o600)
    return certificate_file, key_file


def _authority(directory, stem, serial, issuer=None, days=30):
    key = _new_key("ec")
    certificate = _sign(_name(f"{stem} CA"), key, issuer, serial,
                        [(x509.BasicConstraints(ca=True, path_length=None), True)], days)
    file, _ = _write(directory, f"{stem}-ca", certificate, key)
    return _Authority(certificate, key, file)


def _server(directory, authority):
    key = _new_key("ec")
    names = x509.SubjectAlternativeName([
        x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1"))])
    certificate = _sign(_name("localhost"), key, authority, 0x5E4, [(names, False)])
    return _write(directory, "server", certificate, key)


def _openssl_facts(certificate_file):
    output = subprocess.run(
        ["openssl", "x509", "-in", certificate_file, "-noout", "-serial", "-subject", "-issuer", "-fingerprint",
         "-sha256", "-nameopt", "RFC2253"], check=True, capture_output=True, text=True).stdout
    facts = dict(line.split("=", 1) for line in output.splitlines())
    return {"serial": facts["serial"], "subject": facts["subject"], "issuer": facts["issuer"],
            "sha256": facts["sha256 Fingerprint"].replace(":", "")}


def _client(directory, who, kind, serial, issuer, trusted=True, days=30):
    key = _new_key(kind)
    uri = f"spiffe://example.org/{who}"
    extensions = [(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), False)]
    certificate = _sign(_name(who), key, issuer, serial, extensions, days)
    certificate_file, key_file = _write(directory, who, certificate, key)
    return Certificate(who, certificate_file, key_file, alternative_name=uri, trusted=trusted, expired=days < 0,
                       **_openssl_facts(certificate_file))


def _chained_client(directory, who, serial, root):
    """A client of an intermediate authority."""
    intermediate = _authority(directory, "intermediate", 4, root)
    client = _client(directory, who, "ec", serial, intermediate)
    return replace(client, chain_file=intermediate.file, chain=(_openssl_facts(intermediate.file),))


def _client_with_issuer(directory, who, serial, issuer):
    """Sends its untrusted issuer's certificate behind its own."""
    client = _client(directory, who, "ec", serial, issuer, trusted=False)
    client.certificate_file.write_bytes(client.certificate_file.read_bytes() + issuer.file.read_bytes())
    return client


def _revoke(directory, authority, serial):
    now = datetime.datetime.utcnow()
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    builder = x509.CertificateRevocationListBuilder(authority.certificate.subject, now, now + datetime.timedelta(days=30),
                                                    revoked_certificates=[entry])
    file = directory / "client.crl"
    file.write_bytes(builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


def make_pki(directory):
    """Two authorities and three below, a server and twelve clients. The serials differ in length; alice's has its top bit set."""
    directory.mkdir()
    client_ca, foreign_ca = _authority(directory, "client", 1), _authority(directory, "foreign", 2)
    server_ca = _authority(directory, "server", 3)
    clients = (
        _client(directory, "alice", "rsa", 0xA11CE0000000000000000000000001, client_ca),
        _client(directory, "bob", "ec", 0x0B0B00000000B0B1, client_ca),
        _client(directory, "carol", "ec", 0x0CA2, client_ca),
        _client(directory, "expired", "ec", 0x0E0D, client_ca, trusted=False, days=-1),
        _client(directory, "short", "ec", 0x5077, client_ca, days=5),
        _client(directory, "foreign", "rsa", 0x0F02, foreign_ca, trusted=False),
        _client(directory, "selfsigned", "ec", 0x5E1F, None, trusted=False),
        _chained_client(directory, "dora", 0x0D0A, client_ca),
        _client_with_issuer(directory, "lapsed", 0x1A5ED, _authority(directory, "lapsed", 5, client_ca, days=-1)),
        _client_with_issuer(directory, "stray", 0x57A7, _authority(directory, "stray", 6, foreign_ca)),
        _client_with_issuer(directory, "rooted", 0x4007, foreign_ca),
        _client(directory, "revoked", "ec", 0x4E40, client_ca, trusted=False),
    )
    server_certificate, server_key = _server(directory, server_ca)
    return Pki(server_ca.file, server_certificate, server_key, client_ca.file, _revoke(directory, client_ca, 0x4E40),
               {client.who: client for client in clients})
