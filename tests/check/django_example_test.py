# SPDX-License-Identifier: Apache-2.0
"""The example middleware's judgement of identity headers; with real Django, nginx and the agent it is the end-to-end
test "correlation_ids"."""
import importlib
import json
import logging
import pathlib
import sys
import unittest
from datetime import datetime, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "packaging/django"))
identity = importlib.import_module("mtls_identity")
mtls_logging = importlib.import_module("mtls_logging")

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
GOOD = {"HTTP_X_SSL_CLIENT_VERIFY": "SUCCESS", "HTTP_X_SSL_CLIENT_SUBJECT": "CN=alice,O=Example",
        "HTTP_X_SSL_CLIENT_ISSUER": "CN=CA", "HTTP_X_SSL_CLIENT_SERIAL": "0a1B",
        "HTTP_X_SSL_CLIENT_NOT_BEFORE": "Nov  1 00:00:00 2026 GMT", "HTTP_X_SSL_CLIENT_NOT_AFTER": "Dec 23 09:46:19 2026 GMT",
        "HTTP_X_SSL_CLIENT_CERT": "-----BEGIN%20CERTIFICATE-----%0A"}


class Identity(unittest.TestCase):
    def test_is_read_from_good_headers(self):
        certificate = identity.read_identity(GOOD, NOW)
        self.assertEqual((certificate.subject, certificate.serial), ("CN=alice,O=Example", "0A1B"))
        self.assertEqual(certificate.not_after, datetime(2026, 12, 23, 9, 46, 19, tzinfo=timezone.utc))
        self.assertEqual(certificate.pem, "-----BEGIN CERTIFICATE-----\n")

    def test_is_refused_when_any_header_is_wrong(self):
        for header, value in (("VERIFY", "NONE"), ("VERIFY", "FAILED:certificate has expired"), ("VERIFY", "success"), ("SUBJECT", ""),
                              ("SUBJECT", "CN=a\nlevel=admin"), ("SUBJECT", "x" * 3000), ("ISSUER", ""), ("SERIAL", "0x12"),
                              ("SERIAL", ""), ("NOT_BEFORE", "yesterday"), ("NOT_AFTER", ""), ("NOT_AFTER", "Nov 23 11:59:59 2026 GMT"),
                              ("NOT_BEFORE", "Nov 23 12:00:01 2026 GMT")):
            with self.subTest(header=header, value=value[:20]), self.assertRaises(identity.InvalidIdentity):
                identity.read_identity({**GOOD, f"HTTP_X_SSL_CLIENT_{header}": value}, NOW)

    def test_is_refused_when_there_are_no_headers(self):
        with self.assertRaises(identity.InvalidIdentity):
            identity.read_identity({}, NOW)


class RequestId(unittest.TestCase):
    def test_is_the_proxys(self):
        self.assertEqual(identity.request_id({"HTTP_X_REQUEST_ID": "ab12", "HTTP_X_CORRELATION_ID": "c"}), "ab12")
        self.assertEqual(identity.request_id({"HTTP_X_CORRELATION_ID": "order:17"}), "order:17")

    def test_is_a_new_one_when_it_is_missing_or_malformed(self):
        for meta in ({}, {"HTTP_X_REQUEST_ID": "a\nb"}, {"HTTP_X_REQUEST_ID": "x" * 200}):
            self.assertRegex(identity.request_id(meta), "^[0-9a-f]{32}$")


class LogLine(unittest.TestCase):
    def test_is_one_line_of_json_whatever_it_holds(self):
        record = logging.LogRecord("x", logging.INFO, "f", 1, "a\n%s", ("b",), None)
        record.ecs = {"url": {"path": "/\x1b\n"}}
        line = mtls_logging.EcsFormatter().format(record)
        self.assertNotIn("\n", line)
        self.assertEqual(json.loads(line)["url"]["path"], "/\x1b\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
