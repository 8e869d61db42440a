# SPDX-License-Identifier: Apache-2.0
"""The table of bpf/README.md lists exactly the programs of bpf/*.bpf.c, each with its SEC() name as its hook."""
import re

import source_tree

# SEC("tp_btf/x") int BPF_PROG(on_x, ...), or SEC("uprobe") int on_y(...)
PROGRAM = re.compile(r'SEC\("([^"]+)"\)\s*(?:int|long)\s+(?:BPF_[A-Z0-9_]+\(\s*)?(\w+)\s*[,()]')
SECTION = re.compile(r'SEC\("([^"]+)"\)')
NOT_PROGRAMS = {"license", ".maps"}
ROW = re.compile(r"^\|\s*`(on_\w+)`\s*\|\s*`([^`]+)`", re.MULTILINE)


def programs_in_code(root):
    """{(program, hook)}, and complaints about sections that this check cannot read."""
    found, complaints = set(), []
    for path in source_tree.files(root):
        if path.parts[0] != "bpf" or path.suffix != ".c":
            continue
        text = source_tree.text(root, path)
        programs = PROGRAM.findall(text)
        found.update((program, hook) for hook, program in programs)
        sections = [name for name in SECTION.findall(text) if name not in NOT_PROGRAMS]
        if len(sections) != len(programs):
            complaints.append(f"{path}: {len(sections)} program sections, but {len(programs)} programs can be read")
    return found, complaints


def findings(root):
    in_code, complaints = programs_in_code(root)
    yield from complaints
    table = root / "bpf" / "README.md"
    listed = ROW.findall(table.read_text()) if table.exists() else []
    yield from (f"bpf/README.md lists `{row[0]}` twice" for row in set(listed) if listed.count(row) > 1)
    yield from (f"bpf/README.md does not list `{program}` with hook `{hook}`"
                for program, hook in sorted(in_code - set(listed)))
    yield from (f"bpf/README.md lists `{program}` with hook `{hook}`, which bpf/ does not have"
                for program, hook in sorted(set(listed) - in_code))
    yield from (f"`{name}` begins like another program: the kernel keeps 15 characters"
                for name in shared_prefixes({program for program, _ in in_code}))


def shared_prefixes(names):
    return sorted(name for name in names if sum(other[:15] == name[:15] for other in names) > 1)
