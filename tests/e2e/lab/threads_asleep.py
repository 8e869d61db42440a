#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Threads that do nothing: threads_asleep.py COUNT. Prints their ids, and that it is done; they end with it."""

import sys
import threading

SMALLEST_STACK = 32 << 10


def main():
    threading.stack_size(SMALLEST_STACK)
    end = threading.Event()
    for _ in range(int(sys.argv[1])):
        thread = threading.Thread(target=end.wait, daemon=True)
        thread.start()
        print(thread.native_id)
    print("done", flush=True)
    end.wait()


if __name__ == "__main__":
    main()
