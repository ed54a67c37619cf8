/* Tables marked data-sortable sort by the titles of their columns, with mouse or keyboard. */
(() => {
  const number = (cell) => {
    const value = Number(cell.dataset.order);
    return cell.dataset.order === "" || Number.isNaN(value) ? null : value;
  };

  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (x !== null && y !== null) return x === y ? 0 : x - y; // two Infinities: not defined
    return a.dataset.order.localeCompare(b.dataset.order, undefined, { numeric: true });
  };

  const sort = (table, column, header) => {
    const down = header.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    const undefined_ = (row) => row.cells[column].dataset.order === "inf";
    rows.sort((a, b) => {
      if (undefined_(a) !== undefined_(b)) return undefined_(a) ? 1 : -1; // last either way
      const order = compare(a.cells[column], b.cells[column]);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    table.querySelectorAll("th").forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, column, header));
    });
  }
})();
