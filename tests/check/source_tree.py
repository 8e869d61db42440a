# SPDX-License-Identifier: Apache-2.0
"""The files of this project, as the checks see them."""
import os
import pathlib
import subprocess

C_SUFFIXES = {".c", ".h", ".cpp"}
SCRIPT_SUFFIXES = {".py", ".sh", ".cmake"}


def _known_to_git(root):
    """Tracked files and new ones that are not ignored; None where git cannot tell."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True)
    except OSError:
        return None
    return os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else None


def _on_disk(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", "__pycache__")
                      and not (folder == str(root) and name == "build")]
        yield from (os.path.relpath(os.path.join(folder, name), root) for name in names)


def files(root):
    """Paths relative to root, sorted. A working tree is asked of git; an unpacked archive is walked."""
    names = (_known_to_git(root) if (root / ".git").exists() else None) or _on_disk(root)
    return sorted(pathlib.PurePosixPath(name) for name in names if name and (root / name).is_file())


def text(root, path):
    return (root / path).read_text(errors="replace")


def is_c(path):
    return path.suffix in C_SUFFIXES


def is_source(root, path):
    """Code that a person wrote: by its suffix, CMakeLists.txt, or a script by its first two bytes."""
    if path.suffix in C_SUFFIXES | SCRIPT_SUFFIXES or path.name == "CMakeLists.txt":
        return True
    return not path.suffix and "corpus" not in path.parts and (root / path).read_bytes()[:2] == b"#!"
