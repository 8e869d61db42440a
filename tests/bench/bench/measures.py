# SPDX-License-Identifier: Apache-2.0
"""What can be measured, by name: each takes the build folder and the number of rounds, and returns rows of a table."""

from bench.bystanders import measure_bystanders
from bench.capacity import measure_capacity
from bench.delay import measure_delay
from bench.fronts import measure_front
from bench.growth import measure_connections

MEASURES = {
    f"{front}-{load}": (lambda build, rounds, front=front, load=load: measure_front(front, load, build, rounds))
    for front in ("nginx", "haproxy", "apache") for load in ("requests", "handshakes")
}
MEASURES |= {"capacity": measure_capacity, "bystanders": measure_bystanders, "connections": measure_connections, "delay": measure_delay}
