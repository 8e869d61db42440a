# SPDX-License-Identifier: Apache-2.0
"""Programs of another Debian release with their own libraries: packages from the configured mirror, unpacked into a cache
outside of the source tree, never installed. A program of it runs in a mount namespace and a root directory of its own."""

import os
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("MTLSWATCH_E2E_CACHE", "/var/cache/mtlswatch-e2e"))
_MIRROR = "http://deb.debian.org/debian"
_TIMEOUT_S = 120
RELEASES = {  # nginx and every library that it loads
    "bullseye": ("libc6", "libssl1.1", "zlib1g", "libpcre3", "libcrypt1", "nginx-core"),
    "trixie": ("libc6", "libssl3t64", "zlib1g", "libpcre2-8-0", "libcrypt1", "libzstd1", "nginx"),
}


class CannotFetch(Exception):
    """The release's packages are not to be had here; the message says why."""


def _apt(directory, *arguments, cwd=None):
    """apt with a source, lists and a package database of its own: the machine's stay as they are."""
    options = {"Dir::Etc::SourceList": directory / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
               "Dir::State::Lists": directory / "lists", "Dir::State::Status": directory / "status",
               "Dir::Cache": directory, "APT::Sandbox::User": "root", "Acquire::Languages": "none",
               "Acquire::Retries": 2, "Acquire::http::Timeout": 20}
    argv = ["apt-get", "-q", *(argument for pair in options.items() for argument in ("-o", "{}={}".format(*pair))), *arguments]
    result = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if result.returncode != 0:
        raise CannotFetch((result.stderr or result.stdout).strip().splitlines()[-1])


def _unpack(release, directory):
    archives, root = directory / "archives", directory / "root"
    for made in (directory / "lists" / "partial", archives / "partial", root):
        made.mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (directory / "sources.list").write_text(f"deb [signed-by={keys}] {_MIRROR} {release} main\n")
    _apt(directory, "update")
    _apt(directory, "download", *RELEASES[release], cwd=archives)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    _complete(root)
    (directory / "complete").touch()


def _complete(root):
    """What maintainer scripts would have made."""
    for name in ("lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for made in ("dev", "tmp", "run", "var/log/nginx", "var/lib/nginx"):
        (root / made).mkdir(parents=True, exist_ok=True)
    for account in ("passwd", "group"):
        (root / "etc" / account).write_text(Path("/etc", account).read_text())


def release_root(release):
    """The directory that the release's programs have for their root. Raises CannotFetch."""
    directory = CACHE / release
    if not (directory / "complete").exists():
        try:
            _unpack(release, directory)
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotFetch(str(error)) from error
    return directory / "root"


def inside(root, directory):
    """What to put before a program's arguments: it starts in the root, where directory is at its own place."""
    (root / directory.relative_to("/")).mkdir(parents=True, exist_ok=True)
    enter = f'mount --rbind /dev {root}/dev && mount --bind {directory} {root}{directory} && exec chroot {root} "$@"'
    return ["unshare", "--mount", "--", "/bin/sh", "-c", enter, "inside"]
