# SPDX-License-Identifier: Apache-2.0
"""The demonstration's certificates: a CA, a server, and three clients of whom one may pass."""
import pathlib
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class CertificateError(Exception):
    """openssl refused; the text is its own."""


def _openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise CertificateError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def _authority(folder, name, common_name):
    _openssl("req", "-x509", *KEY, "-days", "2", "-subj", f"/O=Example/CN={common_name}",
             "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")


def _issue(folder, authority, name, serial, days=2):
    """NAME.pem and NAME.key, signed by authority. Negative days: it has ended already."""
    _openssl("req", *KEY, "-subj", f"/O=Example/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr")
    _openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-copy_extensions", "copy", "-days", str(days),
             "-CA", f"{folder}/{authority}.pem", "-CAkey", f"{folder}/{authority}.key", "-set_serial", f"0x{serial}",
             "-out", f"{folder}/{name}.pem")


def make_certificates(folder):
    """Serial numbers are short on purpose: they fit the table. Keys are readable by all: they open nothing but the
    demonstration, and whoever tries its curl commands need not be root."""
    _authority(folder, "ca", "Demonstration CA")
    _authority(folder, "other-ca", "Some other CA")
    _issue(folder, "ca", "server", "1000")
    _issue(folder, "ca", "alice", "1001")
    _issue(folder, "ca", "carol", "1002", days=-1)
    _issue(folder, "other-ca", "mallory", "1003")
    for name in ("alice", "carol", "mallory"):
        pathlib.Path(folder, f"{name}.key").chmod(0o644)
