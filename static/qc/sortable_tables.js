// Tables with data-sortable sort by the column whose title is clicked on; cells carry their value in
// data-order, "inf" where it is undefined.

/**
 * @param {HTMLTableRowElement} row
 * @param {number} column
 */
const orderOf = (row, column) => row.cells[column].dataset.order ?? "";

/**
 * Order numbers by value, other texts by alphabet.
 * @param {string} a
 * @param {string} b
 */
const compare = (a, b) => {
  const [x, y] = [Number(a), Number(b)];
  if (a === "" || b === "" || Number.isNaN(x) || Number.isNaN(y)) {
    return a.localeCompare(b, undefined, { numeric: true });
  }
  return x === y ? 0 : x - y; // Infinity - Infinity is not a number
};

/**
 * @param {HTMLTableElement} table
 * @param {number} column
 * @param {Element} header
 */
const sort = (table, column, header) => {
  const isDescending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [orderOf(one, column), orderOf(other, column)];
    if ((a === "inf") !== (b === "inf")) return a === "inf" ? 1 : -1; // last in both directions
    return isDescending ? -compare(a, b) : compare(a, b);
  });
  body.append(...rows);
};

for (const table of document.querySelectorAll("table[data-sortable]")) {
  if (!(table instanceof HTMLTableElement)) continue;
  for (const [column, header] of [...table.querySelectorAll("th")].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(table, column, header));
  }
}
