# SPDX-License-Identifier: Apache-2.0
"""The Elastic Common Schema's field list (lines of FIELD,TYPE,NORMALIZATION), and whether events keep to it: names,
types and array-ness. What the schema does not have must lie under mtlswatch, or under kubernetes (names of
Elastic's own agents), with one type a name."""

import ipaddress
import os
import re
from pathlib import Path

FILE = "ecs-9.4-fields.csv"
_DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
_TEXTS = ("keyword", "constant_keyword", "wildcard", "text", "match_only_text", "version")
_OBJECTS = ("object", "flattened", "nested", "geo_point")


def field_file():
    """$MTLSWATCH_ECS_FIELDS, else the list in a folder "shared" beside the checkout; None: it is not there."""
    given = os.environ.get("MTLSWATCH_ECS_FIELDS")
    candidates = [Path(given)] if given else [parent / "shared" / FILE for parent in Path(__file__).resolve().parents]
    return next((file for file in candidates if file.is_file()), None)


def read_fields(file):
    """name -> (type, whether it is an array)."""
    rows = [line.split(",") for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {row[0]: (row[1], "array" in row[2:]) for row in rows}


def _is_ip(value):
    try:
        ipaddress.ip_address(value)
        return True
    except ValueError:
        return False


def _fits(value, kind):
    if kind in _TEXTS:
        return isinstance(value, str)
    if kind == "date":
        return isinstance(value, str) and bool(_DATE.match(value))
    if kind == "ip":
        return isinstance(value, str) and _is_ip(value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "long":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in ("float", "scaled_float"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind in _OBJECTS and isinstance(value, dict)


def _leaves(value, name=""):
    """(dotted name, value) of everything that is no object; objects in lists are entered."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, value


def _objection(name, value, fields):
    if name not in fields:
        return None if name.startswith(("mtlswatch.", "kubernetes.")) else f"{name} is no field of the schema"
    kind, is_array = fields[name]
    if isinstance(value, list) != is_array:
        return f"{name} must {'' if is_array else 'not '}be an array"
    if is_array and not value:
        return f"{name} is an empty array"
    wrong = [item for item in (value if is_array else [value]) if not _fits(item, kind)]
    return f"{name} is {wrong[0]!r}, not of type {kind}" if wrong else None


def _json_type(value):
    item = value[0] if isinstance(value, list) and value else value
    return "number" if isinstance(item, (int, float)) and not isinstance(item, bool) else type(item).__name__


def check_events(events, score):
    """Every event of a run, where the field list is at hand."""
    file = field_file()
    if file is None:
        print(f"      skipped: {FILE} is missing, so the events are not held against the Elastic Common Schema")
        return
    found = objections(events, read_fields(file))
    score.check(f"all {len(events)} events keep to the Elastic Common Schema", not found, "; ".join(found[:20]))


def objections(events, fields):
    """Sentences, each once; none when every event keeps to the schema."""
    found, types = set(), {}
    for event in events:
        for name, value in _leaves(event):
            objection = _objection(name, value, fields)
            if objection:
                found.add(objection)
            if name not in fields and value is not None and value != []:
                types.setdefault(name, set()).add(_json_type(value))
    found |= {f"{name} has several types: {sorted(kinds)}" for name, kinds in types.items() if len(kinds) > 1}
    found |= {f"{name} is a value here and an object there" for name in types
              if any(other.startswith(name + ".") for other in types)}
    return sorted(found)
