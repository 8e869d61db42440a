# SPDX-License-Identifier: Apache-2.0
"""Real programs that end TLS in front of Django, or are Django's own server; one class each, all alike from outside."""
