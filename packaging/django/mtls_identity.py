# SPDX-License-Identifier: Apache-2.0
"""Who the client is, according to the headers that the proxy sets (see mtls-headers.conf), checked and logged: one JSON
line a request, which joins with the event of mtlswatch on http.request.id.

A header is only as good as the way it came: this code believes whoever can connect to Django. That nobody but the proxy
does, and that the proxy verified what it says, is what mtlswatch watches.

settings.py:  MIDDLEWARE = ["mtls_identity.ClientCertificateMiddleware", ...]
              from mtls_logging import LOGGING
Views find the result in request.client_certificate (None without a valid one)."""

import logging
import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import unquote

logger = logging.getLogger("mtls.request")

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._:+/=@-]{1,128}$")
_SERIAL = re.compile(r"^[0-9A-Fa-f]{1,64}$")
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$")
_OPENSSL_DATE = "%b %d %H:%M:%S %Y %Z"  # ASN1_TIME_print: "Nov 23 09:46:19 2026 GMT"
_MOST_BYTES = 2048  # of a name


class InvalidIdentity(ValueError):
    """The headers do not name a client; the message says why."""


@dataclass(frozen=True)
class ClientCertificate:
    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    pem: str = ""


def _date(text):
    try:
        return datetime.strptime(text, _OPENSSL_DATE).replace(tzinfo=timezone.utc)
    except ValueError:
        raise InvalidIdentity(f"not a date: {text[:40]!r}") from None


def _name(meta, header):
    name = meta.get(header, "")
    if not name or len(name) > _MOST_BYTES or not name.isprintable():
        raise InvalidIdentity(f"{header} is missing or malformed")
    return name


def read_identity(meta, now):
    """The client's certificate as the headers in request.META tell it. Raises InvalidIdentity."""
    verify = meta.get("HTTP_X_SSL_CLIENT_VERIFY", "NONE")
    if verify != "SUCCESS":
        raise InvalidIdentity(f"the proxy says {verify[:80]!r}")
    serial = meta.get("HTTP_X_SSL_CLIENT_SERIAL", "")
    if not _SERIAL.match(serial):
        raise InvalidIdentity("HTTP_X_SSL_CLIENT_SERIAL is missing or malformed")
    certificate = ClientCertificate(
        _name(meta, "HTTP_X_SSL_CLIENT_SUBJECT"), _name(meta, "HTTP_X_SSL_CLIENT_ISSUER"), serial.upper(),
        _date(meta.get("HTTP_X_SSL_CLIENT_NOT_BEFORE", "")), _date(meta.get("HTTP_X_SSL_CLIENT_NOT_AFTER", "")),
        unquote(meta.get("HTTP_X_SSL_CLIENT_CERT", "")))
    if not certificate.not_before <= now <= certificate.not_after:
        raise InvalidIdentity("the certificate is outside its validity")
    return certificate


def request_id(meta):
    """What the proxy sent, or the client where the proxy lets it through; else a new one."""
    for header in ("HTTP_X_REQUEST_ID", "HTTP_X_CORRELATION_ID"):
        if _REQUEST_ID.match(meta.get(header, "")):
            return meta[header]
    return uuid.uuid4().hex


class ClientCertificateMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        request.request_id = request_id(request.META)
        request.client_certificate, reason = None, "verified"
        try:
            request.client_certificate = read_identity(request.META, datetime.now(timezone.utc))
        except InvalidIdentity as invalid:
            reason = str(invalid)
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id
        logger.info("%s %s %d", request.method, request.path, response.status_code,
                    extra={"ecs": ecs_fields(request, response.status_code, reason)})
        return response


def ecs_fields(request, status, reason):
    """The fields of the log line, in the names of the Elastic Common Schema. Never the query string."""
    fields = {"http": {"request": {"id": request.request_id, "method": request.method},
                       "response": {"status_code": status}},
              "url": {"path": request.path}, "labels": {"client_identity": reason}}
    trace = _TRACEPARENT.match(request.META.get("HTTP_TRACEPARENT", ""))
    if trace:
        fields["trace"], fields["span"] = {"id": trace[1]}, {"id": trace[2]}
    certificate = request.client_certificate
    if certificate:
        validity = {"not_before": certificate.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "not_after": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")}
        fields["tls"] = {"client": {
            "subject": certificate.subject, "issuer": certificate.issuer, **validity,
            "x509": {"serial_number": certificate.serial, **validity,
                     "subject": {"distinguished_name": certificate.subject},
                     "issuer": {"distinguished_name": certificate.issuer}}}}
    return fields
