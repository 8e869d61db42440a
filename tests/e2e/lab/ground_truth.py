# SPDX-License-Identifier: Apache-2.0
"""Checks the laboratory before it judges anybody: nginx's and gunicorn's own logs must tell the same story as the
truths. Where they do not, the test is broken, whatever the agent says."""

from collections import Counter

from lab.host import wait_until

# Texts of X509_verify_cert_error_string (OpenSSL 1.1.1 and 3) -> X509_V_ERR_*, as nginx logs them after "FAILED:".
VERIFY_CODES = {
    "certificate has expired": 10, "self-signed certificate": 18, "self-signed certificate in certificate chain": 19,
    "self signed certificate": 18, "self signed certificate in certificate chain": 19,
    "certificate revoked": 23,
    "unable to get local issuer certificate": 20, "unable to verify the first certificate": 21,
}
_VERIFY_OF_REASON = {"verified_client_certificate": "SUCCESS", "no_client_certificate": "NONE",
                     "client_certificate_not_verified": "FAILED", "plaintext_ingress": ""}


def verify_code(text):
    """"FAILED:certificate has expired" -> 10; 0 for SUCCESS and NONE."""
    kind, _, why = text.partition(":")
    return VERIFY_CODES[why] if kind == "FAILED" else 0


def _front_disagrees(truth, row):
    """What nginx's log line says otherwise than the truth."""
    serial = truth.certificate.serial if truth.certificate and truth.protocol else ""
    expected = {"uri": row["uri"].split("?")[0] == truth.path, "status": row["status"] == truth.status,
                "source_port": row["source_port"] == truth.source_port,
                "port": row["port"] == str(truth.destination_port) or row["port"] == truth.destination_port,
                "serial": row["serial"] == serial, "protocol": row["protocol"] == (truth.protocol or "")}
    kind = row["verify"].partition(":")[0]
    if truth.expected[1] in _VERIFY_OF_REASON:
        expected["verify"] = kind == _VERIFY_OF_REASON[truth.expected[1]]
    elif not truth.reaches_backend:
        expected["verify"] = kind in ("NONE", "FAILED") and truth.status == 400
    return [name for name, holds in expected.items() if not holds]


def check_front(truths, nginxes, score):
    """Every request that went through nginx is in its log, once, with the certificate the client used."""
    truths = [truth for truth in truths if truth.front_logs]
    if not truths:
        return

    def rows():
        return {row["request_id"]: row for nginx in nginxes for row in nginx.requests_seen()}

    wait_until(lambda: all(truth.request_id in rows() for truth in truths), interval_s=0.2)
    seen = rows()
    wrong = [(truth.path, _front_disagrees(truth, seen[truth.request_id]) if truth.request_id in seen else "no line")
             for truth in truths if truth.request_id not in seen or _front_disagrees(truth, seen[truth.request_id])]
    score.check(f"nginx's own log agrees with {len(truths)} truths", not wrong, wrong[:3])


def check_backends(truths, backends, score):
    """What gunicorn logged is what should have reached Django: nothing else, nothing twice. An answer that
    names the worker it came from counts as well: a line of the log was missing once, whose request had been answered."""
    expected = Counter((truth.request_id, truth.path) for truth in truths if truth.reaches_backend)

    def seen():
        return Counter((row["request_id"], row["path"]) for backend in backends for row in backend.requests_seen())

    answered = Counter((truth.request_id, truth.path) for truth in truths if truth.worker_pid)
    wait_until(lambda: not expected - seen() - answered, interval_s=0.2)
    strangers, absent = seen() - expected, expected - seen() - answered
    score.check(f"Django saw the {sum(expected.values())} requests it should have, and no other",
                not strangers and not absent, f"strangers {list(strangers)[:3]}, absent {list(absent)[:3]}")


def fill_verify_codes(ledger, nginxes):
    """Takes the expected verify code of a failed verification from nginx's log, by connection and certificate: in a
    long run the host gives a client's port out again."""
    codes = {(row["source_port"], int(row["port"]), row["serial"]): verify_code(row["verify"])
             for nginx in nginxes for row in nginx.requests_seen() if row["verify"]}
    for truth in ledger.handshakes:
        serial = truth.certificate.serial if truth.certificate else ""
        truth.verify_code = codes.get((truth.source_port, truth.destination_port, serial), 0)
