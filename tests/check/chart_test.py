#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Helm chart, with real Helm: it lints, refuses values that it does not know, asks for no more than it says, and the
manifests in packaging/kubernetes are what it renders: chart_test.py AGENT. With kubernetes-models and typescript of npm in
$MTLSWATCH_NODE_MODULES, each manifest is held against the types of the Kubernetes API too."""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART, RENDERED = ROOT / "packaging/helm/mtlswatch", ROOT / "packaging/kubernetes"
MODULES = os.environ.get("MTLSWATCH_NODE_MODULES")
HELM = os.environ.get("HELM") or shutil.which("helm")
SKIPPED = 77
MINIMAL = {"BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH", "CHECKPOINT_RESTORE"}
AGENT = ""

WRONG = ("privileged=true", "capabilities.profile=all", "user=0", "image.digest=sha256:1", "metrics.port=0", "podMonitor.interval=often")


def run(*command, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False, **options)


def template(*options):
    return run(HELM, "template", "mtlswatch", CHART, "--namespace", "mtlswatch", *options)


def documents(*options):
    import yaml  # pylint: disable=import-outside-toplevel
    result = template(*options)
    assert result.returncode == 0, result.stderr
    return {document["kind"]: document for document in yaml.safe_load_all(result.stdout) if document}


class Chart(unittest.TestCase):
    def test_has_no_finding_of_helms(self):
        result = run(HELM, "lint", "--strict", CHART)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_refuses_values_that_it_does_not_know(self):
        for value in WRONG:
            self.assertNotEqual(template("--set", value).returncode, 0, value)

    def test_the_manifests_are_what_it_renders(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run(RENDERED / "render", folder, env={**os.environ, "HELM": HELM})
            self.assertEqual(done.returncode, 0, done.stderr)
            fresh = {file.name: file.read_text() for file in pathlib.Path(folder).iterdir()}
        self.assertEqual(fresh, {file.name: file.read_text() for file in RENDERED.glob("*.yaml")}, "run packaging/kubernetes/render")

    def test_asks_for_no_more_than_its_profile(self):
        for profile, more in (("minimal", set()), ("compat", {"SYS_ADMIN"})):
            pod = documents("--set", f"capabilities.profile={profile}")["DaemonSet"]["spec"]["template"]["spec"]
            context = pod["containers"][0]["securityContext"]
            self.assertEqual(context["capabilities"]["drop"], ["ALL"])
            self.assertEqual(set(context["capabilities"]["add"]), MINIMAL | more)
            self.assertFalse(context["privileged"])
            self.assertTrue(context["runAsNonRoot"] and context["readOnlyRootFilesystem"])
            hosts = {volume["hostPath"]["path"]: volume["name"] for volume in pod["volumes"] if "hostPath" in volume}
            self.assertEqual(set(hosts), {"/sys/kernel/btf"})
            mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
            self.assertTrue(all(mounts[name]["readOnly"] for name in hosts.values()))

    def test_may_read_pods_and_nothing_else(self):
        self.assertEqual(documents()["ClusterRole"]["rules"], [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}])

    def test_monitors_by_the_shipped_rules(self):
        import yaml  # pylint: disable=import-outside-toplevel
        rules = documents("--set", "prometheusRule.enabled=true")["PrometheusRule"]["spec"]
        self.assertEqual(rules, yaml.safe_load((ROOT / "packaging/prometheus/mtlswatch.rules.yml").read_text()))

    def test_the_agent_takes_the_configuration_that_it_renders(self):
        values = ("--set", "cluster=prod", "--set-json", 'config={"backends":[{"name":"shop","match":{"pod_labels":{"app":"shop"}}}]}')
        text = documents(*values)["ConfigMap"]["data"]["mtlswatch.yaml"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = run(AGENT, "check-config", "--config", file.name, "--print-effective",
                       env={**os.environ, "MTLSWATCH_KUBERNETES_NODE": "worker-1"})
        self.assertEqual(done.returncode, 0, done.stderr)
        for said in ('cluster: "prod"', '"app": "shop"', "0.0.0.0:9948"):
            self.assertIn(said, done.stdout)

    @unittest.skipUnless(MODULES, "MTLSWATCH_NODE_MODULES names no folder with kubernetes-models and typescript")
    def test_every_manifest_has_the_types_of_the_api(self):
        with tempfile.TemporaryDirectory(dir=pathlib.Path(MODULES).parent) as folder:
            script = shutil.copy(ROOT / "tests/check/manifest_types.mjs", folder)
            for file in RENDERED.glob("*.yaml"):
                done = run("node", script, file)
                self.assertEqual(done.returncode, 0, f"{file.name}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    for found, what in ((HELM, "helm (on the path, or named by $HELM)"), (importlib.util.find_spec("yaml"), "python3-yaml")):
        if not found:
            print(f"SKIP: {what} is missing")
            sys.exit(SKIPPED)
    AGENT = sys.argv.pop(1)
    unittest.main()
