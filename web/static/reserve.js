// A day to pick a time from, by keys: one cell can be tabbed to, arrows go from start to start. Without it every start is
// a link of its own.

const grid = document.querySelector("#pick-grid");
const cells = grid ? [...grid.querySelectorAll("tbody tr")].map((row) => [...row.cells].slice(1).map((cell) => cell.querySelector("a"))) : [];

function only(link) {
  for (const other of cells.flat()) if (other) other.tabIndex = other === link ? 0 : -1;
}
function near(row, column, down, across) {
  // The next start in that direction; along a row that has none, and at the edges, nothing happens.
  for (let y = row + down, x = column + across; cells[y] && x >= 0 && x < cells[y].length; y += down, x += across) if (cells[y][x]) return cells[y][x];
  return null;
}
function sweep(column, rows) {
  return rows.map((row) => row[column]).find(Boolean);
}
const MOVES = {
  ArrowUp: (row, column) => near(row, column, -1, 0),
  ArrowDown: (row, column) => near(row, column, 1, 0),
  ArrowLeft: (row, column) => near(row, column, 0, -1),
  ArrowRight: (row, column) => near(row, column, 0, 1),
  Home: (_row, column) => sweep(column, cells),
  End: (_row, column) => sweep(column, [...cells].reverse()),
};
if (grid) {
  const first = cells.flat().find(Boolean);
  if (first) only(first);
  grid.addEventListener("keydown", (event) => {
    const link = event.target.closest("a");
    const row = cells.findIndex((links) => links.includes(link));
    if (!link || row < 0 || !MOVES[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = MOVES[event.key](row, cells[row].indexOf(link));
    event.preventDefault();
    if (!next) return;
    only(next);
    next.focus();
  });
  grid.addEventListener("focusin", (event) => event.target.matches("a") && only(event.target));
}
