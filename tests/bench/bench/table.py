# SPDX-License-Identifier: Apache-2.0
"""Rows of figures as a Markdown table: {column: value}, the columns of all rows in the order of the first."""


def print_table(title, rows):
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    print(f"\n{title}")
    for line in (columns, ["-" * width for width in widths], *cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |", flush=True)


def _text(value):
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else f"{value:.0f}" if isinstance(value, float) else str(value)
