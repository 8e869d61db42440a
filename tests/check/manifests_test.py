#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manifests in packaging/kubernetes, without Helm: they ask for no more than they say, belong together, and hold a configuration
that the agent takes: manifests_test.py AGENT."""
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RENDERED = ROOT / "packaging/kubernetes"
SKIPPED = 77
MINIMAL = {"BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "CHECKPOINT_RESTORE"}
PROFILES = {"mtlswatch.yaml": MINIMAL | {"SYS_ADMIN"}, "mtlswatch-minimal.yaml": MINIMAL, "mtlswatch-monitoring.yaml": MINIMAL | {"SYS_ADMIN"}}
AGENT = ""


def documents(name):
    """By kind and name."""
    import yaml  # pylint: disable=import-outside-toplevel
    return {(document["kind"], document["metadata"]["name"]): document
            for document in yaml.safe_load_all((RENDERED / name).read_text()) if document}


def pod_of(name):
    return documents(name)["DaemonSet", "mtlswatch"]["spec"]["template"]["spec"]


class Manifests(unittest.TestCase):
    def test_are_those_of_every_profile(self):
        self.assertEqual({file.name for file in RENDERED.glob("*.yaml")}, set(PROFILES))

    def test_ask_for_no_more_than_their_profile(self):
        for name, capabilities in PROFILES.items():
            pod = pod_of(name)
            (container,) = pod["containers"]
            context = container["securityContext"]
            self.assertEqual((context["capabilities"]["drop"], set(context["capabilities"]["add"])), (["ALL"], capabilities), name)
            self.assertFalse(context["privileged"], name)
            self.assertTrue(context["runAsNonRoot"] and context["readOnlyRootFilesystem"] and pod["hostPID"], name)
            self.assertNotIn("hostIPC", pod)
            self.assertIn("limits", container["resources"])

    def test_mount_of_the_host_its_types_alone_and_read_only(self):
        for name in PROFILES:
            pod = pod_of(name)
            hosts = {volume["hostPath"]["path"]: volume["name"] for volume in pod["volumes"] if "hostPath" in volume}
            self.assertEqual(set(hosts), {"/sys/kernel/btf"}, name)
            mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
            self.assertTrue(all(mounts[volume]["readOnly"] for volume in hosts.values()), name)

    def test_may_read_pods_and_nothing_else(self):
        for name in PROFILES:
            found = documents(name)
            rules = [document["rules"] for (kind, _), document in found.items() if kind in ("ClusterRole", "Role")]
            self.assertEqual(rules, [[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]], name)
            binding = found["ClusterRoleBinding", "mtlswatch"]
            self.assertEqual(binding["roleRef"]["name"], "mtlswatch")
            self.assertEqual([subject["name"] for subject in binding["subjects"]], [pod_of(name)["serviceAccountName"]])

    def test_name_what_they_hold(self):
        for name in PROFILES:
            found, pod = documents(name), pod_of(name)
            ports = {port["name"] for port in pod["containers"][0]["ports"]}
            probes = [pod["containers"][0][probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
            self.assertLessEqual(set(probes), ports, name)
            for volume in pod["volumes"]:
                self.assertTrue("configMap" not in volume or ("ConfigMap", volume["configMap"]["name"]) in found, f"{name}: {volume}")
            spec = found["DaemonSet", "mtlswatch"]["spec"]
            self.assertLessEqual(spec["selector"]["matchLabels"].items(), spec["template"]["metadata"]["labels"].items())
            self.assertIn(pod["serviceAccountName"], [of for kind, of in found if kind == "ServiceAccount"])

    def test_monitor_by_the_shipped_rules_and_dashboard(self):
        import yaml  # pylint: disable=import-outside-toplevel
        found = documents("mtlswatch-monitoring.yaml")
        self.assertEqual(found["PrometheusRule", "mtlswatch"]["spec"],
                         yaml.safe_load((ROOT / "packaging/prometheus/mtlswatch.rules.yml").read_text()))
        dashboards = [document["data"] for (kind, name), document in found.items() if kind == "ConfigMap" and "dashboard" in name]
        shipped = json.loads((ROOT / "packaging/grafana/mtlswatch.json").read_text())
        self.assertEqual([json.loads(text) for data in dashboards for text in data.values()], [shipped])

    def test_hold_a_configuration_that_the_agent_takes(self):
        for name in PROFILES:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(documents(name)["ConfigMap", "mtlswatch"]["data"]["mtlswatch.yaml"])
                file.flush()
                done = subprocess.run([AGENT, "check-config", "--config", file.name], capture_output=True, text=True, timeout=100, check=False,
                                      env={**os.environ, "MTLSWATCH_KUBERNETES_NODE": "worker-1"})
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")


if __name__ == "__main__":
    if importlib.util.find_spec("yaml") is None:
        print("SKIP: python3-yaml is missing")
        sys.exit(SKIPPED)
    AGENT = sys.argv.pop(1)
    unittest.main()
