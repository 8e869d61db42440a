#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` lays out and cpack packs, held against systemd and lintian: package_test.py BUILD_FOLDER."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

DEBIAN = pathlib.Path(__file__).resolve().parents[2] / "packaging/debian"
MOST_EXPOSED = 27  # tenths, of systemd-analyze security
SKIPPED = 77
BUILD = pathlib.Path()


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=250, check=False)


def pack(folder):
    """The package of the build, in the folder."""
    done = run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", folder, "-D", "CPACK_DEBIAN_DEBUGINFO_PACKAGE=OFF")
    package = next(folder.glob("*.deb"), None)
    assert package, done.stdout + done.stderr
    return package


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="mtlswatch-package-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.package = pack(cls.folder)
        cls.root = cls.folder / "root"
        run("dpkg-deb", "-x", cls.package, cls.root)
        cls.units = cls.root / "usr/lib/systemd/system"

    def test_has_no_error_for_lintian(self):
        found = run("lintian", "--allow-root", "--no-tag-display-limit", self.package).stdout.splitlines()
        self.assertEqual([line for line in found if line.startswith(("E:", "W:")) and "unstripped-binary" not in line], [])

    def test_names_every_file_below_etc_as_the_administrators(self):
        packed = {f"/{path.relative_to(self.root)}" for path in (self.root / "etc").rglob("*") if path.is_file()}
        self.assertEqual(packed, set((DEBIAN / "conffiles").read_text().split()))

    def test_configures_the_program_as_it_accepts(self):
        done = run(self.root / "usr/bin/mtlswatch", "check-config", "--config", self.root / "etc/mtlswatch/conf.d/events.yaml")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_has_a_unit_that_systemd_understands(self):
        for profile in (self.units / "mtlswatch.service.d/compat.conf", self.root / "usr/share/mtlswatch/systemd/minimal.conf"):
            place = self.folder / profile.stem
            (place / "mtlswatch.service.d").mkdir(parents=True)
            shutil.copy(profile, place / "mtlswatch.service.d")
            unit = (self.units / "mtlswatch.service").read_text()
            (place / "mtlswatch.service").write_text(unit.replace("/usr/bin/mtlswatch", str(self.root / "usr/bin/mtlswatch")))
            done = run("systemd-analyze", "verify", "--man=no", place / "mtlswatch.service")
            said = [line for line in done.stderr.splitlines() if "mtlswatch" in line or profile.name in line]
            self.assertEqual(said, [], profile)

    def test_is_as_little_exposed_as_the_readme_says(self):
        done = run("systemd-analyze", "security", f"--root={self.root}", "--offline=yes", f"--threshold={MOST_EXPOSED}", "mtlswatch.service")
        self.assertEqual(done.returncode, 0, done.stdout[-200:])
        figure = re.search(r"exposure level for mtlswatch.service: ([\d.]+)", done.stdout)[1]
        self.assertIn(f"is {figure} with", re.sub(r"\s+", " ", (DEBIAN.parent / "README.md").read_text()))

    def test_runs_what_maintainer_scripts_say_in_a_posix_shell(self):
        for name in ("postinst", "prerm", "postrm"):
            self.assertEqual(run("dash", "-n", DEBIAN / name).stderr, "")


if __name__ == "__main__":
    for program in ("lintian", "systemd-analyze", "dpkg-shlibdeps", "cpack"):
        if shutil.which(program) is None:
            print(f"SKIP: {program} is missing")
            sys.exit(SKIPPED)
    BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main()
