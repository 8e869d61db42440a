# SPDX-License-Identifier: Apache-2.0
"""Five folders at the top and few files beside them; tests lie in the folder of their label; a source file stops at 300
lines, tables excepted, and a golden recording at 300 KB."""
import source_tree

TOP_FOLDERS = {"bpf", "userspace", "include", "packaging", "tests"}
TOP_FILES = {"LICENSE", "README.md", "CHANGELOG.md", "CMakeLists.txt", "CMakePresets.json"}
TEST_FOLDERS = {"unit", "bpf", "e2e", "fuzz", "replay", "check", "bench", "vm", "image"}
MOST_LINES = 300
MOST_RECORDED_BYTES = 300_000
TABLES = {"userspace/model/hello.cpp", "include/mtlswatch/event.h"}  # names of cipher suites and groups; layouts of records


def findings(root):
    unknown = set()
    for path in source_tree.files(root):
        top = path.parts[0]
        if not top.startswith(".") and top not in (TOP_FILES if len(path.parts) == 1 else TOP_FOLDERS):
            unknown.add(top)
        if top == "tests" and len(path.parts) > 2 and path.parts[1] not in TEST_FOLDERS:
            unknown.add(f"tests/{path.parts[1]}")
        if path.suffix == ".recording" and (root / path).stat().st_size > MOST_RECORDED_BYTES:
            yield f"{path}: more than {MOST_RECORDED_BYTES} bytes"
        if source_tree.is_source(root, path) and str(path) not in TABLES:
            count = len(source_tree.text(root, path).splitlines())
            if count > MOST_LINES:
                yield f"{path}: {count} lines, more than {MOST_LINES}"
    yield from (f"{folder}: has no place here" for folder in sorted(unknown))
