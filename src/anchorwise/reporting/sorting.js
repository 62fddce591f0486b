// Sort a table by the column whose name is clicked, or chosen by Enter: numbers as numbers, rows without one last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const number = text => { const found = parseFloat(text.replaceAll(",", "")); return Number.isNaN(found) ? null : found; };
  heads.forEach((head, column) => {
    const sort = () => {
      const falls = head.getAttribute("aria-sort") !== "descending";
      const rows = [...body.rows].map(row => [row, row.cells[column].textContent.trim()]);
      const areNumbers = rows.every(([, text]) => !text || number(text) !== null);
      rows.sort(([, one], [, other]) => {
        if (!one || !other) return !one - !other;
        const order = areNumbers ? number(one) - number(other) : one.localeCompare(other);
        return falls ? -order : order;
      });
      heads.forEach(each => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      rows.forEach(([row]) => body.append(row));
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
}
