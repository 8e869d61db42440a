# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that scrapes the agent every second, with the shipped rules or a copy of them."""

import http.client
import json
import signal
import urllib.parse
from pathlib import Path

from lab.host import Child, free_port, wait_until

RULES = Path(__file__).resolve().parents[3] / "packaging/prometheus/mtlswatch.rules.yml"

_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def get_page(port, path, timeout_s=10):
    """(status, body) of a page on loopback; status 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


class Prometheus:
    def __init__(self, directory, agent_port, rules=None):
        """rules: their text, else the shipped ones."""
        self.port = free_port()
        self._configuration, self._agent_port, self._rules = directory / "prometheus.yml", agent_port, directory / RULES.name
        self._rules.write_text(rules or RULES.read_text())
        self._write_configuration("mtlswatch")
        self.child = Child("prometheus", [
            "/usr/bin/prometheus", f"--config.file={self._configuration}", f"--storage.tsdb.path={directory}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn",
            "--query.lookback-delta=15s"], directory)
        if not wait_until(lambda: get_page(self.port, "/-/ready")[0] == 200 or not self.child.running(), interval_s=0.2):
            raise RuntimeError(f"prometheus does not become ready: {self.child.errors()}")

    def _write_configuration(self, job):
        self._configuration.write_text(_CONFIGURATION.format(rules=self._rules, port=self._agent_port, job=job))

    def forget_agent(self):
        """Its target is no job "mtlswatch" any more; Prometheus shows the last sample until its look-back ends."""
        self._write_configuration("other")
        self.child.signal(signal.SIGHUP)

    def _ask(self, path, **parameters):
        status, body = get_page(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(body)["data"] if status == 200 else None

    def query(self, expression):
        """[(labels, value)] of an instant query; None when Prometheus refuses it."""
        data = self._ask("query", query=expression)
        return None if data is None else [(row["metric"], float(row["value"][1])) for row in data["result"]]

    def is_scraping(self):
        targets = (self._ask("targets") or {}).get("activeTargets", [])
        return bool(targets) and all(target["health"] == "up" for target in targets)

    def firing(self, service):
        """Names of the alerts that fire for a service, or for the agent as a whole."""
        alerts = (self._ask("alerts") or {}).get("alerts", [])
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing" and alert["labels"].get("service", service) == service}

    def stop(self):
        return self.child.stop()
