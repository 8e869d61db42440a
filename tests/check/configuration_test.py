#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shipped example and JSON Schema against the program: configuration_test.py AGENT. Every setting of the example is
valid to both, the example has every key of the schema, and what one of them refuses the other refuses too."""
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
SKIPPED = 77
SOME_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # of package ca-certificates
AGENT = ""

WRONG = (
    "nonsense: 1", "backends: [{name: a}]", "backends: [{listen: [\"127.0.0.1:1\"]}]", "backends: [{name: a, match: {}}]",
    "backends: [{name: a, listen: [\"127.0.0.1\"]}]", "backends: [{name: a, match: {uid: 1}, requests: some}]",
    "backends: [{name: a, match: {uid: 1}, client_ca: ca}]", "backends: [{name: a, match: {uid: 1}, paths: [{require: nothing}]}]",
    "fronts: [{uid: 1}]", "identity_headers: [\"X User\"]", "exemptions: [{name: a}]", "rules: [{rule: none}]", "rules: [{rule: \"*\", window: 0}]",
    "exemptions: [{name: a, owner: o, reason: r, expires: soon, method: GET, path: /a, source: 10.0.0.1}]",
    "exemptions: [{name: a, owner: o, reason: r, expires: 2027-01-01, method: GET, path: /a}]",
    "outputs: [{type: json, url: \"http://x\"}]", "outputs: [{type: webhook}]", "outputs: [{type: syslog, address: log}]",
    "outputs: [{type: webhook, url: \"https://x\", key_file: /k}]", "outputs: [{type: alertmanager, url: \"ftp://x\"}]",
    "http: {}", "admin: {socket: x}", "limits: {ring_bytes: 1}", "limits: {connections: \"5\"}", "write_query: 1", "kubernetes: {}",
    "kubernetes: {node: Worker}", "kubernetes: {node: a, api_server: \"http://x\"}", "kubernetes: {node: a, token_file: token}",
    "backends: [{name: a, match: {pod_labels: {}}}]", "backends: [{name: a, match: {pod_labels: {app: 1}}}]",
)


def every_setting():
    """The example with every disabled setting enabled: "#" without a blank begins one."""
    lines = (PACKAGING / "mtlswatch.yaml").read_text().splitlines()
    return "\n".join(re.sub(r"^#(?! )(?=\S)|^#(?=  )", "", line) for line in lines) + "\n"


def text_only_dates(yaml):
    """YAML as mtlswatch reads it: a day is text, not a date."""
    class Loader(yaml.SafeLoader):
        pass
    Loader.yaml_implicit_resolvers = {first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:timestamp"]
                                      for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    return Loader


def keys_of(schema):
    """Every key that the schema knows, as dotted paths."""
    for part in schema.get("oneOf", ()):
        yield from keys_of(part)
    if "items" in schema:
        yield from keys_of(schema["items"])
    for key, value in schema.get("properties", {}).items():
        yield key
        yield from (f"{key}.{inner}" for inner in keys_of(value))


def keys_in(document):
    if isinstance(document, list):
        for item in document:
            yield from keys_in(item)
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from (f"{key}.{inner}" for inner in keys_in(value))


def program_accepts(text, *options):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "mtlswatch.yaml"
        file.write_text(text.replace("/etc/mtlswatch/client-ca.pem", SOME_AUTHORITIES))
        return subprocess.run([AGENT, "check-config", "--config", file, *options], capture_output=True, text=True, check=False)


class Configuration(unittest.TestCase):
    def setUp(self):
        import jsonschema  # pylint: disable=import-outside-toplevel
        import yaml  # pylint: disable=import-outside-toplevel
        self.schema = json.loads((PACKAGING / "schema/mtlswatch.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(self.schema)
        self.validator = jsonschema.Draft202012Validator(self.schema)
        self.load = lambda text: yaml.load(text, Loader=text_only_dates(yaml))  # a SafeLoader

    def errors(self, text):
        return [error.message for error in self.validator.iter_errors(self.load(text) or {})]

    def test_the_example_as_shipped_is_the_default(self):
        text = (PACKAGING / "mtlswatch.yaml").read_text()
        self.assertEqual(self.errors(text), [])
        self.assertEqual(program_accepts(text, "--print-effective").stdout, program_accepts("", "--print-effective").stdout)

    def test_every_setting_of_the_example_is_valid(self):
        self.assertEqual(self.errors(every_setting()), [])
        result = program_accepts(every_setting())
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_the_example_has_every_key_of_the_schema(self):
        self.assertEqual(set(keys_of(self.schema)) - set(keys_in(self.load(every_setting()))), set())

    def test_the_effective_configuration_has_every_setting_and_is_valid(self):
        effective = program_accepts(every_setting(), "--print-effective").stdout
        self.assertEqual(self.errors(effective), [])
        self.assertEqual(set(keys_in(self.load(every_setting()))) - set(keys_in(self.load(effective))),
                         {"backends.paths.require"} - set(keys_in(self.load(effective))))
        self.assertEqual(program_accepts(effective, "--print-effective").stdout, effective)

    def test_the_readmes_example_is_valid(self):
        for text in re.findall(r"^```yaml\n(.*?)^```", (PACKAGING.parent / "README.md").read_text(), re.MULTILINE | re.DOTALL):
            self.assertEqual(self.errors(text), [])
            self.assertEqual(program_accepts(text).stderr, "")

    def test_the_schema_and_the_program_refuse_the_same(self):
        for text in WRONG:
            self.assertTrue(self.errors(text), f"the schema accepts: {text}")
            self.assertEqual(program_accepts(text).returncode, 3, f"the program accepts: {text}")


if __name__ == "__main__":
    for module in ("jsonschema", "yaml"):
        if importlib.util.find_spec(module) is None:
            print(f"SKIP: python3-{module} is missing")
            sys.exit(SKIPPED)
    AGENT = sys.argv.pop(1)
    unittest.main()
