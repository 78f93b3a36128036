# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of hosts in the page that a browser shows."""

from __future__ import annotations

# By column, its place in the first row of a host, and in the further ones.
COLUMNS = {"Host": (0, None), "State": (1, None), "Window": (8, 1), "Entries": (9, 2)}
VALUES = """
const [first, further] = arguments;
return [...document.querySelectorAll('#hosts ~ table tbody')].map(group => [...group.rows].map((row, number) => {
  const cell = row.cells[number ? further : first];
  if (!cell || cell.colSpan > 1) return null;
  if ('value' in cell.dataset) return Number(cell.dataset.value);
  return cell.classList.contains('number') ? null : cell.textContent;
}).filter(value => value !== null));
"""
SHOWN = """
return [...document.querySelectorAll('#hosts ~ table tbody')].filter(group => group.getBoundingClientRect().height)
  .map(group => group.rows[0].cells[0].textContent);
"""


def values(driver, column):
    """Return, for each host, what its rows have in a column: numbers, or texts. What is not known is left out."""
    return driver.execute_script(VALUES, *COLUMNS[column])


def hosts_shown(driver):
    """Return the names of the hosts that are not filtered out, in their order."""
    return driver.execute_script(SHOWN)
