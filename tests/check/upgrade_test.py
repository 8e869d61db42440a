#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The package's life with real dpkg: upgrade_test.py BUILD_FOLDER. Installed, upgraded, removed and purged in an overlay of this
host's files, where a recorder stands for systemctl: whatever else changes, or is told to systemd, is found."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import package_test

SKIPPED = 77
OLDER = "0.0.1"
EDIT = "# the administrator's own\n"
RECORDER = """#!/bin/sh
echo "$*" >>/calls
case "$*" in
  *is-enabled*) [ -e /is-enabled ] && echo enabled || { echo disabled; exit 1; } ;;
  *is-active*) [ -e /is-enabled ] || exit 3 ;;
esac
"""
# What dpkg, man-db and the account tools keep of any package, and the package's own.
EXPECTED = ("var/lib/dpkg", "var/log/dpkg.log", "var/log/alternatives.log", "var/cache/man", "var/cache/ldconfig", "var/lib/systemd/deb-systemd-helper",
            "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid", "etc/.pwd.lock", "etc/mtlswatch",
            "etc/systemd/system/mtlswatch.service", "etc/systemd/system/multi-user.target.wants/mtlswatch.service", "var/log/mtlswatch")
OF_THE_TEST = ("calls", "is-enabled", "packages", "usr/bin/systemctl", "usr/sbin/policy-rc.d")
IN_NAMESPACE = r"""
mount --make-rprivate /
mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
mount -t proc proc "$0/root/proc"; mount --bind /dev "$0/root/dev"; mount -t tmpfs tmpfs "$0/root/run"
mkdir -p "$0/root/run/systemd/system"
exec chroot "$0/root" "$@"
"""


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=250, check=False, stdin=subprocess.DEVNULL)


def make_older(package, folder):
    """The same package as an older version that came with other conffiles."""
    tree, older = folder / "tree", folder / "older.deb"
    run("dpkg-deb", "-R", package, tree)
    control = (tree / "DEBIAN/control").read_text().splitlines()
    (tree / "DEBIAN/control").write_text("\n".join(f"Version: {OLDER}" if line.startswith("Version:") else line for line in control) + "\n")
    for name in ("mtlswatch.yaml", "conf.d/events.yaml"):
        with open(tree / "etc/mtlswatch" / name, "a", encoding="utf-8") as file:
            file.write("# of the older version\n")
    (tree / "DEBIAN/md5sums").unlink()
    done = run("dpkg-deb", "--root-owner-group", "-z1", "-b", tree, older)
    assert done.returncode == 0, done.stderr
    return older


class Host:
    """This host's files, written to in a folder of its own."""

    def __init__(self, folder, packages):
        self.folder = folder
        self.upper = folder / "upper"
        for name in ("upper/packages", "upper/usr/bin", "upper/usr/sbin", "work", "root"):
            (folder / name).mkdir(parents=True)
        for package in packages:
            shutil.copy(package, self.upper / "packages")
        for file, text in (("usr/bin/systemctl", RECORDER), ("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n"), ("is-enabled", "")):
            (self.upper / file).write_text(text)
            (self.upper / file).chmod(0o755)

    def inside(self, *command):
        return run("unshare", "--mount", "bash", "-ec", IN_NAMESPACE, self.folder, *command)

    def dpkg(self, *arguments):
        """What was told to systemctl meanwhile, about what."""
        calls = self.upper / "calls"
        calls.write_text("")
        done = self.inside("dpkg", "--force-unsafe-io", "--force-confold", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return calls.read_text().splitlines()

    def changed(self):
        """Files below the root that are other than this host's, whited out ones too."""
        found = {str(path.relative_to(self.upper)) for path in self.upper.rglob("*") if not path.is_dir()}
        return {name for name in found if not name.startswith(OF_THE_TEST)}


def orders(calls):
    """What changes anything, of the calls."""
    return [call for call in calls if not any(word in call for word in ("daemon-reload", "is-enabled", "is-active", "preset"))]


class Upgrade(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="mtlswatch-packages-")
        cls.addClassCleanup(folder.cleanup)
        cls.package = package_test.pack(pathlib.Path(folder.name))
        cls.older = make_older(cls.package, pathlib.Path(folder.name))

    def setUp(self):
        place = tempfile.mkdtemp(prefix="mtlswatch-host-", dir=SCRATCH)
        self.addCleanup(shutil.rmtree, place)
        self.host = Host(pathlib.Path(place), (self.package, self.older))
        self.etc = self.host.upper / "etc/mtlswatch"

    def install(self, package):
        return self.host.dpkg("-i", f"/packages/{package.name}")

    def test_keeps_what_was_edited_and_restarts_the_unit_once(self):
        self.install(self.older)
        with open(self.etc / "mtlswatch.yaml", "a", encoding="utf-8") as file:
            file.write(EDIT)
        calls = self.install(self.package)
        self.assertTrue((self.etc / "mtlswatch.yaml").read_text().endswith(EDIT))
        self.assertNotIn("older version", (self.etc / "conf.d/events.yaml").read_text())
        self.assertEqual([call.split()[-2:] for call in orders(calls)], [["restart", "mtlswatch.service"]])

    def test_starts_nothing_that_was_disabled(self):
        self.install(self.older)
        (self.host.upper / "is-enabled").unlink()
        self.assertEqual(orders(self.install(self.package)), [])

    def test_removal_stops_the_unit_and_leaves_the_configuration(self):
        self.install(self.package)
        calls = self.host.dpkg("-r", "mtlswatch")
        self.assertEqual(orders(calls), ["stop mtlswatch.service"])
        self.assertTrue((self.etc / "mtlswatch.yaml").exists())
        self.assertFalse((self.host.upper / "usr/bin/mtlswatch").exists())

    def test_nothing_but_accounts_and_dpkgs_own_books_is_left_or_changed(self):
        self.install(self.older)
        self.install(self.package)
        (self.host.upper / "var/log/mtlswatch").mkdir(parents=True, exist_ok=True)
        (self.host.upper / "var/log/mtlswatch/events.json").write_text("{}\n")
        self.assertEqual(orders(self.host.dpkg("-P", "mtlswatch")), ["stop mtlswatch.service"])
        self.assertEqual({name for name in self.host.changed() if not name.startswith(EXPECTED)}, set())
        for gone in ("etc/mtlswatch", "var/log/mtlswatch"):
            self.assertEqual([path for path in (self.host.upper / gone).rglob("*") if path.is_file()], [], gone)
        self.assertIn("mtlswatch", (self.host.upper / "etc/passwd").read_text())


def missing(scratch):
    if os.geteuid() != 0:
        return "root"
    for program in ("dpkg-shlibdeps", "deb-systemd-invoke", "systemd-sysusers", "unshare"):
        if shutil.which(program) is None:
            return program
    if run("dpkg-query", "-W", "-f", "${db:Status-Status}", "mtlswatch").stdout == "installed":
        return "a host without mtlswatch"
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir()
    tried = run("unshare", "--mount", "bash", "-ec", IN_NAMESPACE, scratch, "true")
    return "" if tried.returncode == 0 else f"an overlay of / ({tried.stderr.strip().splitlines()[-1]})"


if __name__ == "__main__":
    package_test.BUILD = pathlib.Path(sys.argv.pop(1))
    with tempfile.TemporaryDirectory(prefix="mtlswatch-overlay-") as SCRATCH:
        trial = pathlib.Path(SCRATCH) / "trial"
        trial.mkdir()
        if lacking := missing(trial):
            print(f"SKIP: {lacking} is missing")
            sys.exit(SKIPPED)
        unittest.main()
