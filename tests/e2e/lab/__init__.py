# SPDX-License-Identifier: Apache-2.0
"""The laboratory: real nginx, gunicorn and Django with clients whose identity is known beforehand."""
