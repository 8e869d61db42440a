# SPDX-License-Identifier: Apache-2.0
"""The manual pages: well formed for mandoc and for groff; they name every command and option of the program that is given as
argument, and every key of its configuration."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
PAGE, CONFIGURATION_PAGE = PACKAGING / "man/mtlswatch.8", PACKAGING / "man/mtlswatch.yaml.5"
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else None


def output(*command):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False,
                            env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
    return result.stdout, result.stderr


def help_names(*command):
    """(subcommands, long options) that --help lists."""
    text = output(PROGRAM, *command, "--help")[0]
    return (set(re.findall(r"^  ([a-z][a-z-]+) ", text, re.MULTILINE)),
            set(re.findall(r"--([a-z-]+)", text)) - {"help", "help-all"})


def keys_of(schema):
    for part in schema.get("oneOf", ()):
        yield from keys_of(part)
    yield from keys_of(schema["items"]) if "items" in schema else ()
    for key, value in schema.get("properties", {}).items():
        yield key
        yield from keys_of(value)


class ManualPage(unittest.TestCase):
    def test_is_well_formed_for_mandoc(self):
        for page in (PAGE, CONFIGURATION_PAGE):
            findings = [line for line in output("mandoc", "-T", "lint", "-W", "style", page)[0].splitlines()
                        if "outdated mandoc.db" not in line and "makewhatis" not in line and "Xr mtlswatch" not in line]
            self.assertEqual(findings, [])

    def test_is_well_formed_for_groff(self):
        for page, title in ((PAGE, "MTLSWATCH(8)"), (CONFIGURATION_PAGE, "MTLSWATCH.YAML(5)")):
            text, warnings = output("man", "--warnings", "-l", page)
            self.assertIn(title, text)
            self.assertEqual([line for line in warnings.splitlines() if "mandoc.db" not in line], [])

    def test_names_every_key_of_the_configuration(self):
        source = CONFIGURATION_PAGE.read_text()
        for key in set(keys_of(json.loads((PACKAGING / "schema/mtlswatch.schema.json").read_text()))):
            self.assertRegex(source, rf"(?m)^\.(It )?Ic (.* )?{key}\b", key)

    @unittest.skipUnless(PROGRAM, "no program given")
    def test_names_every_command_and_option(self):
        source = PAGE.read_text()
        commands, options = help_names()
        self.assertGreater(len(commands), 5)
        for command in commands:
            self.assertIn(f"\n.It Cm {command}\n", source, command)
            options |= help_names(command)[1]
        for option in options:
            self.assertRegex(source, rf"Fl -{option}\b", option)


if __name__ == "__main__":
    for program in ("mandoc", "man"):
        if shutil.which(program) is None:
            print(f"SKIP: {program} is missing")
            sys.exit(77)
    unittest.main(argv=sys.argv[:1])
