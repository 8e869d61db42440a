# SPDX-License-Identifier: Apache-2.0
"""What the running agent says of the processes that it watches."""

import json

from lab.host import run


def trust_of(binary, socket_path, is_meant):
    """How far the processes of which is_meant(process) holds are believed: their states."""
    told = run([binary, "targets", "--json", "--socket", socket_path])
    processes = json.loads(told.stdout)["processes"] if told.returncode == 0 else []
    return {process["trust"]["state"] for process in processes if is_meant(process)}
