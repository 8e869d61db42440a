#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The quickstart's table: what it shows of an event, and that no input can break it or the terminal."""
import copy
import io
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "packaging/demo"))
import table  # noqa: E402

REQUEST = {
    "@timestamp": "2026-11-23T09:15:02.497215Z",
    "event": {"kind": "event", "action": "backend-request", "reason": "verified_client_certificate"},
    "mtlswatch": {"verdict": "authenticated", "attribution": {"confidence": "exact", "candidates": 1}, "claims": []},
    "tls": {"client": {"x509": {"serial_number": "1001", "subject": {"common_name": ["alice"]}}}},
    "source": {"ip": "127.0.0.1", "port": 51544}, "destination": {"ip": "127.0.0.1", "port": 8443},
    "server": {"ip": "127.0.0.1", "port": 8000},
    "http": {"request": {"method": "GET"}, "response": {"status_code": 200}}, "url": {"path": "/orders"},
}
HANDSHAKE = {
    "@timestamp": "2026-11-23T09:15:02.481937Z",
    "event": {"kind": "event", "action": "tls-handshake", "outcome": "success", "reason": "established"},
    "mtlswatch": {"client_certificate": {"presented": True, "verify_code": 10, "tls_accepted": True,
                                         "verify_text": "certificate has expired"}},
    "tls": {"version": "1.3", "client": {"x509": {"serial_number": "1002", "subject": {"common_name": ["carol"]}}}},
    "source": {"ip": "127.0.0.1", "port": 51545}, "destination": {"ip": "127.0.0.1", "port": 8443},
}


def changed(event, **values):
    """A copy with values put at paths; "__" stands for "." in a path, None removes."""
    event = copy.deepcopy(event)
    for path, value in values.items():
        *parents, last = path.split("__")
        inner = event
        for name in parents:
            inner = inner.setdefault(name, {})
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return event


def shown(event, colour=False):
    out = io.StringIO()
    table.Table(out, colour).line(event if isinstance(event, str) else json.dumps(event))
    return out.getvalue()


class QuickstartTable(unittest.TestCase):
    def test_a_request_fits_one_line(self):
        self.assertEqual(" ".join(shown(REQUEST).split()), "09:15:02 request alice :51544->:8443->:8000 GET /orders "
                         "200 authenticated verified_client_certificate 1001")
        self.assertEqual(shown(REQUEST).count("\n"), 1)

    def test_a_handshake_shows_what_the_check_said(self):
        row = shown(HANDSHAKE)
        self.assertIn("not verified  10 certificate has expired", row)
        self.assertIn("carol", row)

    def test_a_handshake_without_certificate_says_so(self):
        nothing_sent = {"presented": False, "verify_code": 0}
        row = shown(changed(HANDSHAKE, mtlswatch__client_certificate=nothing_sent, tls__client=None))
        self.assertIn("no certificate sent", row)
        self.assertNotIn("verified", row)

    def test_a_failed_handshake_is_not_called_verified(self):
        row = shown(changed(HANDSHAKE, event__outcome="failure", event__reason="tlsv1_alert_unknown_ca",
                            mtlswatch__client_certificate__verify_code=0))
        self.assertIn("failure       tlsv1_alert_unknown_ca", row)
        self.assertNotIn("verified", row)

    def test_an_unseen_check_is_not_called_verified(self):
        self.assertNotIn("verified", shown(changed(HANDSHAKE, mtlswatch__client_certificate__verify_code=None)))

    def test_a_local_peer_stands_where_the_client_would(self):
        peer = {"process": {"name": "curl", "pid": 77}}
        row = shown(changed(REQUEST, mtlswatch__peer=peer, destination=None, tls=None))
        self.assertIn("curl[77]->:8000", row)
        self.assertIn(" - ", row)

    def test_every_hop_is_shown(self):
        hops = [{"destination": {"ip": "10.0.0.1", "port": port}} for port in (443, 6081)]
        cell = table.came(changed(REQUEST, source__ip="2001:db8::7", mtlswatch__hops=hops))
        self.assertEqual(cell, "[2001:db8::7]:51544->10.0.0.1:443->10.0.0.1:6081->:8000")

    def test_every_reason_is_verbatim(self):
        model = pathlib.Path(__file__).resolve().parents[2] / "userspace/model/verdict.cpp"
        reasons = [line.split('"')[1] for line in model.read_text().splitlines() if "ReasonRow{Reason::" in line]
        self.assertGreater(len(reasons), 10)
        for reason in reasons:
            self.assertIn(f" {reason} ", shown(changed(REQUEST, event__reason=reason)))

    def test_nothing_is_wider_than_120_columns_and_nothing_is_lost(self):
        path, serial = "/" + "segment/" * 60, "4F" * 20
        claims = [{"header": "X-SSL-Client-Subject", "value": "CN=" + "x" * 300, "result": "contradicts"}]
        text = shown(changed(REQUEST, url__path=path, tls__client__x509__serial_number=serial, mtlswatch__claims=claims,
                             source__ip="2001:db8:1111:2222:3333:4444:5555:6666"))
        self.assertLessEqual(max(map(len, text.splitlines())), 120)
        self.assertIn(serial, text)
        self.assertEqual(text.count("segment"), 60)
        self.assertEqual(text.count("x"), 300)

    def test_control_characters_do_not_reach_the_terminal(self):
        text = shown(changed(REQUEST, url__path="/\x1b[2J\x07\u202e\ud800", event__reason="a\nb"), colour=False)
        self.assertFalse(set("\x1b\x07\u202e\ud800") & set(text))
        self.assertFalse("\x1b" in shown("plain \x1b[2J words"))

    def test_colour_is_only_where_asked_for(self):
        self.assertNotIn("\x1b", shown(REQUEST))
        self.assertIn("\x1b[32mauthenticated\x1b[0m", shown(REQUEST, colour=True))

    def test_what_is_no_event_is_survived(self):
        for text in ("", "\n", "{", "null", "[]", "7", "{}", '{"event": 3}', '{"event": {"action": "tls-handshake"}}',
                     '{"event": {"action": "backend-request"}, "mtlswatch": {"hops": [1, null], "claims": [[]]}}',
                     '{"@timestamp": 5, "event": {"action": "backend-request"}, "source": {"ip": 7, "port": true}}',
                     "[" * 100000, '{"event": {"action": ' + "9" * 5000 + "}}"):
            for line in shown(text).splitlines():
                self.assertLessEqual(len(line), 120)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
