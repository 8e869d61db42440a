# SPDX-License-Identifier: Apache-2.0
"""No bpf_printk is left in the kernel programs: it writes to a buffer that all of the host shares."""
import source_tree


def findings(root):
    for path in source_tree.files(root):
        if path.parts[0] == "bpf" and source_tree.is_c(path):
            for number, line in enumerate(source_tree.text(root, path).splitlines(), 1):
                if "bpf_printk" in line or "bpf_trace_printk" in line:
                    yield f"{path}:{number}: {line.strip()}"
