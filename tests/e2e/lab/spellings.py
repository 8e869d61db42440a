# SPDX-License-Identifier: Apache-2.0
"""How proxies spell a client's identity in headers, told by the openssl command, which is none of ours."""

import base64
import subprocess
from urllib.parse import quote

_BARE = "common name for a subject"


def _openssl(certificate, *arguments):
    return subprocess.run(["openssl", "x509", "-in", certificate.certificate_file, "-noout", *arguments], check=True,
                          capture_output=True, text=True).stdout.strip().partition("=")[2].strip()


def _names(certificate):
    for header, which in (("X-SSL-Client-Subject", "-subject"), ("X-SSL-Client-Issuer", "-issuer")):
        for what, options in (("RFC 2253", "RFC2253"), ("slashes", "compat"), ("commas, the other order", "oneline"),
                              ("commas without blanks", "oneline,-space_eq,sep_comma_plus")):
            yield f"{header} {what}", header, _openssl(certificate, which, "-nameopt", options)
    yield "SSL_CLIENT_S_DN", "SSL-Client-S-DN", certificate.subject
    yield "common name", "X-SSL-Client-CN", certificate.who
    yield _BARE, "X-SSL-Client-Subject", certificate.who


def _numbers(certificate):
    serial = certificate.serial
    pairs = [serial[at:at + 2] for at in range(0, len(serial), 2)]
    for what, value in (("upper case", serial), ("lower case", serial.lower()), ("leading zeros", "0000" + serial),
                        ("no leading zero", serial.lstrip("0")), ("colons", ":".join(pairs)), ("0x", "0x" + serial.lower()),
                        ("decimal", str(int(serial, 16)))):
        yield f"serial, {what}", "X-SSL-Client-Serial", value
    for digest in ("-sha1", "-sha256"):
        fingerprint = _openssl(certificate, "-fingerprint", digest)
        yield f"fingerprint {digest}", "X-SSL-Client-Fingerprint", fingerprint
        yield f"fingerprint {digest}, bare", "X-SSL-Client-Fingerprint", fingerprint.replace(":", "").lower()
    yield "begin", "X-SSL-Client-Not-Before", _openssl(certificate, "-startdate")
    yield "end", "X-SSL-Client-Not-After", _openssl(certificate, "-enddate")


def _certificates(certificate):
    pem = certificate.certificate_file.read_text()
    encoded = "".join(pem.splitlines()[1:-1])
    digest = _openssl(certificate, "-fingerprint", "-sha256").replace(":", "").lower()
    yield "escaped PEM", "X-SSL-Client-Cert", quote(pem, safe="")
    yield "PEM in one line", "X-SSL-Client-Cert", " ".join(pem.splitlines())
    yield "base64", "X-Client-Cert", encoded
    yield "RFC 9440", "Client-Cert", f":{base64.b64encode(base64.b64decode(encoded)).decode()}:"
    yield "Envoy", "X-Forwarded-Client-Cert", (
        f'By=spiffe://example.org/proxy;Hash={digest};Cert="{quote(pem, safe="")}";Subject="{certificate.subject}";URI={certificate.alternative_name}')
    yield "Envoy, hash alone", "X-Forwarded-Client-Cert", f"Hash={digest}"


def spellings(certificate):
    """[(what, header, value)]: each says the same of the same client."""
    return [*_names(certificate), *_numbers(certificate), *_certificates(certificate), ("verify", "X-SSL-Client-Verify", "SUCCESS")]


def false_spellings(own, other):
    """What another's certificate says that one's own does not. A bare word for a subject is not held against anybody."""
    true = {(header, value) for _, header, value in spellings(own)}
    return [row for row in spellings(other) if row[1:] not in true and row[0] != _BARE]
