# SPDX-License-Identifier: Apache-2.0
"""Measurements, their load and their ways of watching."""
