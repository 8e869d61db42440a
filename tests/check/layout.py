# SPDX-License-Identifier: Apache-2.0
"""Five folders at the top and few files beside them; a source file stops at 300 lines, tables excepted."""
import source_tree

TOP_FOLDERS = {"bpf", "userspace", "include", "packaging", "tests"}
TOP_FILES = {"LICENSE", "README.md", "CHANGELOG.md", "CMakeLists.txt", "CMakePresets.json"}
MOST_LINES = 300
TABLES = {"userspace/model/hello.cpp"}  # names of cipher suites and groups


def findings(root):
    unknown = set()
    for path in source_tree.files(root):
        top = path.parts[0]
        if not top.startswith(".") and top not in (TOP_FILES if len(path.parts) == 1 else TOP_FOLDERS):
            unknown.add(top)
        if source_tree.is_source(root, path) and str(path) not in TABLES:
            count = len(source_tree.text(root, path).splitlines())
            if count > MOST_LINES:
                yield f"{path}: {count} lines, more than {MOST_LINES}"
    yield from (f"{top}: has no place at the top" for top in sorted(unknown))
