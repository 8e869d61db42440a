# SPDX-License-Identifier: Apache-2.0
"""One module a test: run(lab, score)."""
