// Rows of a list are chosen: the bar with what can be done to them appears, the head's box chooses the whole page.

const boxes = () => [...document.querySelectorAll('input[name="id"][form="bulk"]')];
let last = null; // the row that was clicked last, where a stretch begins

const show = () => {
  const form = document.querySelector("[data-bulk]");
  if (!form) return;
  const all = form.querySelector("[data-bulk-all]").checked;
  const rows = boxes();
  const chosen = rows.filter((box) => box.checked).length;
  form.classList.toggle("is-chosen", all || chosen > 0);
  form.querySelector("[data-bulk-count]").textContent = all ? form.dataset.total : String(chosen);
  const head = document.querySelector("[data-bulk-page]");
  if (head) {
    head.checked = rows.length > 0 && chosen === rows.length;
    head.indeterminate = chosen > 0 && chosen < rows.length;
  }
};

addEventListener("click", (event) => {
  const box = event.target.closest?.('input[name="id"][form="bulk"]');
  if (!box) return;
  const rows = boxes();
  if (event.shiftKey && last && rows.includes(last)) {
    const [from, to] = [rows.indexOf(last), rows.indexOf(box)].sort((a, b) => a - b);
    for (const each of rows.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
});
addEventListener("change", (event) => {
  if (event.target.matches?.("[data-bulk-page]")) for (const box of boxes()) box.checked = event.target.checked;
  if (event.target.matches?.('[data-bulk-page], [data-bulk-all], input[form="bulk"]')) show();
});
addEventListener("reset", (event) => {
  if (event.target.matches?.("[data-bulk]")) setTimeout(show); // after the boxes are empty
});
// Enter in a field of the bar means that field's action, not the first one of the bar.
addEventListener("keydown", (event) => {
  const panel = event.target.closest?.(".bulk__panel");
  if (!panel || event.key !== "Enter" || event.target.matches("button, select")) return;
  event.preventDefault();
  panel.querySelector("button[name=action]").click();
});
document.addEventListener("htmx:afterSettle", show);
addEventListener("pageshow", show);
show();
