# SPDX-License-Identifier: Apache-2.0
"""The shipped Prometheus rules and Grafana dashboard: valid, tested, and naming only metrics that the agent exports.
The end-to-end test "metrics" asks real Prometheus the same."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "packaging/prometheus/mtlswatch.rules.yml"
TESTS = ROOT / "tests/check/prometheus_rules.test.yml"
DASHBOARD = ROOT / "packaging/grafana/mtlswatch.json"
METRIC = re.compile(r"(?<![\w:])((?:mtlswatch|process)_[a-z_]+)")
OURS = {"mtlswatch_requests", "mtlswatch_handshakes_verified"}  # parts of the names of recording rules


def exported():
    """Every name in the source of the exposition, and the series that a histogram adds."""
    names = set(re.findall(r'"((?:mtlswatch|process)_[a-z_]+)"', (ROOT / "userspace/sink/metrics.cpp").read_text()))
    return names | {f"{name}{suffix}" for name in names if name.endswith("_seconds") for suffix in ("_bucket", "_sum", "_count")}


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions():
    return [target["expr"] for panel in panels() for target in panel["targets"]]


class Dashboard(unittest.TestCase):
    def test_names_only_exported_metrics(self):
        named = {name for expression in expressions() for name in METRIC.findall(expression)}
        self.assertGreater(len(named), 10)
        self.assertEqual(named - exported(), set())

    def test_shows_verdicts_failures_identities_expiry_and_loss(self):
        text = " ".join(expressions())
        for name in ("mtlswatch_requests_total", "mtlswatch_tls_verify_failures_total", "mtlswatch_client_identities",
                     "mtlswatch_client_cert_not_after_timestamp_seconds", "mtlswatch_events_lost_total"):
            self.assertIn(name, text)

    def test_panels_have_their_own_ids_and_places(self):
        all_panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({panel["id"] for panel in all_panels}), len(all_panels))
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in all_panels]
        self.assertEqual(len(set(places)), len(places))

    def test_expressions_are_promql(self):
        groups = [{"name": "panels", "rules": [
            {"record": f"panel:{number}:x".replace("-", "_"), "expr": expression.replace("$__rate_interval", "5m")}
            for number, expression in enumerate(expressions())]}]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "panels.json"  # JSON is YAML
            file.write_text(json.dumps({"groups": groups}))
            self.assertEqual(promtool("check", "rules", file), "")


class Rules(unittest.TestCase):
    def test_name_only_exported_metrics(self):
        named = {name for line in RULES.read_text().splitlines() if not line.strip().startswith(("#", "summary", "description"))
                 for name in METRIC.findall(line)}
        self.assertEqual(named - exported() - OURS, set())

    def test_are_valid(self):
        self.assertEqual(promtool("check", "rules", RULES), "")

    def test_every_alert_fires_in_one_test_and_is_quiet_in_another(self):
        text = TESTS.read_text()
        for alert in re.findall(r"- alert: (\w+)", RULES.read_text()):
            self.assertRegex(text, rf"alertname: {alert}\n\s+exp_alerts:\n\s+- exp_labels", alert)
            self.assertIn(f"alertname: {alert}, exp_alerts: []", text)

    def test_do_what_their_tests_say(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(RULES, folder)
            shutil.copy(TESTS, folder)
            self.assertEqual(promtool("test", "rules", pathlib.Path(folder) / TESTS.name), "")

    def test_would_be_caught_without_the_condition_that_spares_keep_alive_clients(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(TESTS, folder)
            broken = re.sub(r"and instance:mtlswatch_requests_authenticated.*\n.*offset 1d\)\n", "\n", RULES.read_text())
            self.assertNotEqual(broken, RULES.read_text())
            (pathlib.Path(folder) / RULES.name).write_text(broken)
            self.assertIn("keep their connections alive", promtool("test", "rules", pathlib.Path(folder) / TESTS.name))


def promtool(*arguments):
    """Empty when promtool is content."""
    result = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


if __name__ == "__main__":
    if shutil.which("promtool") is None:
        print("SKIP: promtool (Debian package prometheus) is missing")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
