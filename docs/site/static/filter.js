// Show the rows of the page's first table that hold every word of the search field.
addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("filter"), count = document.getElementById("filter-count");
  if (!field) return;
  const rows = [...document.querySelectorAll("table tbody tr")].map(row => [row, row.textContent.toLowerCase()]);
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every(word => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length} settings`;
    history.replaceState(null, "", words.length ? `?setting=${encodeURIComponent(field.value)}` : location.pathname);
  };
  field.value = new URLSearchParams(location.search).get("setting") ?? "";
  field.addEventListener("input", show);
  show();
});
