# SPDX-License-Identifier: Apache-2.0
"""LOGGING for settings.py: one JSON line a record on standard error, in the names of the Elastic Common Schema."""

import json
import logging
from datetime import datetime, timezone


class EcsFormatter(logging.Formatter):
    """A record's `ecs` (extra={"ecs": {...}}) is merged into the line."""

    def format(self, record):
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line = {"@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "message": record.getMessage(),
                "log": {"level": record.levelname.lower(), "logger": record.name}, "ecs": {"version": "9.4.0"},
                "event": {"dataset": "django.request", "module": "django"}, "process": {"pid": record.process}}
        line.update(getattr(record, "ecs", {}))
        if record.exc_info:
            line["error"] = {"type": record.exc_info[0].__name__, "message": str(record.exc_info[1]),
                             "stack_trace": self.formatException(record.exc_info)}
        return json.dumps(line)


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ecs": {"()": "mtls_logging.EcsFormatter"}},
    "handlers": {"standard_error": {"class": "logging.StreamHandler", "formatter": "ecs"}},
    "root": {"handlers": ["standard_error"], "level": "INFO"},
}
