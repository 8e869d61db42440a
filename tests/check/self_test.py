#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each house rule accepts a small good tree, and objects to each of these defects in it, and to nothing else."""
import pathlib
import tempfile
import sys
import unittest

import bpf_table
import include_direction
import layout
import no_printk
import readme_commands
import spdx

RULES = (bpf_table, include_direction, layout, no_printk, readme_commands, spdx)
APACHE = "// SPDX-License-Identifier: Apache-2.0\n"
KERNEL = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n"
PROGRAMS = 'SEC("tp_btf/a")\nint BPF_PROG(on_a, int x)\n{\n}\nSEC("uprobe")\nint on_b(struct pt_regs *c)\n{\n}\n'
HELP = "#!/bin/sh\necho 'Subcommands:'\necho '  run     Watch this host'\n"

GOOD = {
    "CMakePresets.json": '{"configurePresets": [{"name": "release"}]}',
    "README.md": "```sh\ntests/run\ncmake --preset release\nbuild/release/mtlswatch run\n```\nOr `tests/run --fuzz`.\n",
    "bpf/README.md": "| Program | Hook |\n| --- | --- |\n| `on_a` | `tp_btf/a` |\n| `on_b` | `uprobe` at a call |\n",
    "bpf/a.bpf.c": KERNEL + PROGRAMS + 'char LICENSE[] SEC("license") = "Dual BSD/GPL";\n',
    "include/mtlswatch/event.h": KERNEL,
    "tests/run": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
    "userspace/base/b.h": APACHE,
    "userspace/model/m.h": APACHE + '#include "userspace/base/b.h"\n',
    "userspace/sink/s.cpp": APACHE + '#include "userspace/model/m.h"\n#include <nlohmann/json.hpp>\n',
    "userspace/ring/r.cpp": APACHE + "#include <bpf/libbpf.h>\n",
    "userspace/app/config_x.cpp": APACHE + '#include "userspace/ring/r.h"\n#include <yaml-cpp/yaml.h>\n',
}


class HouseRules(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path, text in GOOD.items():
            self.write(path, text)
        (self.root / "tests/run").chmod(0o755)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def binary(self):
        self.write("build/mtlswatch", HELP)
        (self.root / "build/mtlswatch").chmod(0o755)
        return self.root / "build/mtlswatch"

    def found(self, rule, *arguments):
        return list(rule.findings(self.root, *arguments))

    def objects(self, rule, path, text, expected):
        """rule says expected, once, after path is given text; and no other rule is touched by it."""
        self.write(path, text)
        self.assertEqual([expected in each for each in self.found(rule)], [True], self.found(rule))

    def test_a_good_tree_is_accepted(self):
        self.assertEqual([each for rule in RULES for each in self.found(rule)], [])
        self.assertEqual(self.found(readme_commands, self.binary()), [])

    def test_a_stage_may_not_include_a_stage(self):
        self.objects(include_direction, "userspace/decode/d.cpp", APACHE + '#include "userspace/sink/s.h"\n',
                     "decode may not include sink")

    def test_base_may_not_include_model(self):
        self.objects(include_direction, "userspace/base/x.h", APACHE + '# include "userspace/model/m.h"\n',
                     "base may not include model")

    def test_a_stage_may_not_include_app(self):
        self.objects(include_direction, "userspace/ring/x.h", APACHE + '#include "userspace/app/pipeline.h"\n',
                     "ring may not include app")

    def test_decode_may_not_see_libbpf(self):
        self.objects(include_direction, "userspace/decode/d.cpp", APACHE + "#include <bpf/libbpf.h>\n", "only probe/")

    def test_app_may_not_see_the_skeleton(self):
        self.objects(include_direction, "userspace/app/a.cpp", APACHE + '#include "mtlswatch.skel.h"\n', "only probe/")

    def test_policy_may_not_see_json(self):
        self.objects(include_direction, "userspace/policy/p.cpp", APACHE + "#include <nlohmann/json.hpp>\n",
                     "only sink/")

    def test_the_pipeline_may_not_see_yaml(self):
        self.objects(include_direction, "userspace/app/pipeline.cpp", APACHE + "#include <yaml-cpp/yaml.h>\n",
                     "only sink/")

    def test_there_is_no_other_stage(self):
        self.objects(include_direction, "userspace/util/u.h", APACHE, "is not a stage")

    def test_a_source_without_licence_is_found(self):
        self.objects(spdx, "userspace/base/x.h", "#pragma once\n" + APACHE, "userspace/base/x.h")

    def test_a_script_without_suffix_is_a_source(self):
        self.objects(spdx, "packaging/tool", "#!/bin/sh\necho\n", "packaging/tool")

    def test_kernel_code_has_its_own_licence(self):
        self.objects(spdx, "bpf/x.bpf.h", APACHE, "GPL-2.0-only OR BSD-2-Clause")

    def test_a_sixth_folder_is_found(self):
        self.objects(layout, "docs/notes.md", "", "docs")

    def test_a_stray_file_is_found(self):
        self.objects(layout, "notes.txt", "", "notes.txt")

    def test_a_folder_that_is_no_label_is_found(self):
        self.objects(layout, "tests/misc/t.json", "", "tests/misc")

    def test_a_large_recording_is_found(self):
        self.objects(layout, "tests/replay/recordings/a.recording", "x" * 300_001, "300000 bytes")

    def test_a_long_file_is_found(self):
        self.objects(layout, "userspace/base/x.h", APACHE * 301, "301 lines")
        self.write("userspace/base/x.h", APACHE * 300)
        self.assertEqual(self.found(layout), [])

    def test_a_printk_is_found(self):
        self.objects(no_printk, "bpf/x.bpf.h", KERNEL + 'bpf_printk("here");\n', "bpf/x.bpf.h:2")

    def test_a_program_that_the_table_lacks_is_found(self):
        self.objects(bpf_table, "bpf/x.bpf.c", KERNEL + 'SEC("uretprobe")\nint on_c(void)\n{\n}\n',
                     "does not list `on_c`")

    def test_a_program_that_the_code_lacks_is_found(self):
        self.objects(bpf_table, "bpf/README.md", GOOD["bpf/README.md"] + "| `on_c` | `uprobe` |\n", "lists `on_c`")

    def test_a_section_that_cannot_be_read_is_found(self):
        self.objects(bpf_table, "bpf/x.bpf.c", KERNEL + 'SEC("uprobe") HIDDEN(on_c)\n', "0 programs can be read")

    def test_names_that_the_kernel_would_cut_alike_are_found(self):
        self.assertEqual(bpf_table.shared_prefixes({"on_socket_receive_a", "on_socket_receive_b", "on_a"}),
                         ["on_socket_receive_a", "on_socket_receive_b"])

    def test_a_missing_script_is_found(self):
        self.objects(readme_commands, "README.md", "```sh\nsudo packaging/quickstart --demo\n```\n", "does not exist")

    def test_a_script_that_cannot_run_is_found(self):
        (self.root / "tests/run").chmod(0o644)
        self.objects(readme_commands, "README.md", "Type `tests/run`.\n", "not executable")

    def test_an_unknown_preset_is_found(self):
        self.objects(readme_commands, "README.md", "```sh\ncmake --preset fast\n```\n", "no preset fast")

    def test_an_unknown_subcommand_is_found(self):
        self.write("README.md", "Try `sudo build/release/mtlswatch fly --high`.\n")
        self.assertIn("does not name fly", "".join(self.found(readme_commands, self.binary())))
        self.assertEqual(self.found(readme_commands), [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
