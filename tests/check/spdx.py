# SPDX-License-Identifier: Apache-2.0
"""Each source file names its licence in its first line, or in its second below a "#!"."""
import source_tree

KERNEL_SIDE = "GPL-2.0-only OR BSD-2-Clause"
REST = "Apache-2.0"


def expected(path):
    return KERNEL_SIDE if path.parts[0] in ("bpf", "include") and source_tree.is_c(path) else REST


def findings(root):
    for path in source_tree.files(root):
        if not source_tree.is_source(root, path):
            continue
        lines = source_tree.text(root, path).splitlines()[:2]
        line = lines[1] if len(lines) == 2 and lines[0].startswith("#!") else "".join(lines[:1])
        if line.strip("/*# ") != f"SPDX-License-Identifier: {expected(path)}":
            yield f"{path}: does not begin with 'SPDX-License-Identifier: {expected(path)}'"
