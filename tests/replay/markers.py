# SPDX-License-Identifier: Apache-2.0
"""What every recorded request carried and no recording may hold."""
MARKERS = {"cookie": "COOKIEMARK1f6d", "authorization": "BEARERMARK77ab", "query": "QUERYMARK90ce", "body": "BODYMARK3b21"}
HEADERS = {"Cookie": f"sessionid={MARKERS['cookie']}", "Authorization": f"Bearer {MARKERS['authorization']}"}
