// Ticks in the list of jobs: the page, ranges, all that match; and what the batch menu offers for them.
"use strict";
const form = () => document.getElementById("ticks");
const boxes = () => [...(form()?.querySelectorAll("input[name=job]") ?? [])];
const bar = document.getElementById("ticked");
const menu = document.getElementById("batch-menu");
let order = []; // serials as ticked: batches begin in this order
let last = null; // where a range begins

function show() {
  if (!form() || !bar) return;
  const all = form().elements.all;
  const ticked = boxes().filter((box) => box.checked);
  const total = Number(form().dataset.total);
  const told = total + form().dataset.more; // "1000+" where not all were counted
  if (ticked.length < boxes().length) all.checked = false;
  const has = new Set(ticked.map((box) => box.value));
  order = [...order.filter((serial) => has.has(serial)), ...[...has].filter((serial) => !order.includes(serial))];
  form().elements.order.value = order.join(",");
  const page = form().querySelector("[data-tick-page]");
  if (page) {
    page.checked = ticked.length > 0 && ticked.length === boxes().length;
    page.indeterminate = ticked.length > 0 && !page.checked;
  }
  const text = bar.dataset;
  bar.hidden = !ticked.length;
  document.body.classList.toggle("has-ticks", !bar.hidden);
  const count = all.checked ? text.textAll.replace("{n}", told) : ticked.length === 1 ? text.textOne : text.textMany.replace("{n}", ticked.length);
  if (bar.firstElementChild.textContent !== count) bar.firstElementChild.textContent = count;
  const more = bar.querySelector("[data-tick-all]");
  more.hidden = all.checked || !page?.checked || total <= ticked.length;
  more.textContent = more.dataset.text.replace("{n}", told);
  for (const box of boxes()) box.closest("tr").classList.toggle("is-ticked", box.checked);
  for (const item of menu.querySelectorAll("[data-act]")) {
    const can = all.checked || ticked.some((box) => box.closest("tr").querySelector(`a.item[href$="/${item.dataset.act}/"]:not([aria-disabled])`));
    item.disabled = !can;
    item.title = can ? "" : ticked.length ? menu.dataset.textCannot : menu.dataset.textNone;
  }
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("#ticks input[name=job]");
  if (box) {
    const rows = boxes();
    if (event.shiftKey && last && rows.includes(last)) {
      const [from, to] = [rows.indexOf(last), rows.indexOf(box)];
      const range = rows.slice(Math.min(from, to), Math.max(from, to) + 1);
      for (const one of from < to ? range : range.reverse()) {
        one.checked = box.checked;
        if (one.checked && !order.includes(one.value)) order.push(one.value);
      }
    }
    last = box;
  }
  if (event.target.closest("[data-tick-page]")) for (const one of boxes()) one.checked = event.target.checked;
  if (event.target.closest("[data-tick-all]")) form().elements.all.checked = true;
  if (event.target.closest("[data-tick-none]")) {
    form().elements.all.checked = false;
    for (const one of boxes()) one.checked = false;
    document.querySelector("[data-batch-menu]")?.focus();
  }
  if (event.target.closest("#ticks, #ticked")) show();
});
menu?.addEventListener("beforetoggle", show);
htmx.on("htmx:afterSettle", show);
addEventListener("pageshow", show);
show();

// --- After a batch: the list as it is now, without ticks ---
document.getElementById("dialog").addEventListener("close", (event) => {
  if (!event.target.dataset.refresh) return;
  delete event.target.dataset.refresh;
  htmx.ajax("GET", location.href, { target: "#listing", swap: "outerHTML" });
});
htmx.on("htmx:afterSwap", (event) => {
  const dialog = document.getElementById("dialog");
  if (dialog.querySelector("[data-refresh]")) dialog.dataset.refresh = "1";
});

// --- The tree of folders: what was unfolded stays so, and below 900 pixels it folds away ---
const open = new Set(JSON.parse(sessionStorage.getItem("folders") ?? "[]"));
for (const branch of document.querySelectorAll("[data-remember]")) {
  if (open.has(branch.dataset.remember)) branch.open = true;
  branch.addEventListener("toggle", () => {
    open[branch.open ? "add" : "delete"](branch.dataset.remember);
    sessionStorage.setItem("folders", JSON.stringify([...open]));
  });
}
// The menu of a folder is made when its button is come to: those of a thousand folders would be most of the page.
for (const kind of ["focusin", "click"]) {
  document.getElementById("folders")?.addEventListener(kind, (event) => {
    const button = event.target.closest("[popovertarget]");
    const id = button?.getAttribute("popovertarget");
    if (!id || document.getElementById(id)) return;
    const menu = document.getElementById("folder-menu").innerHTML;
    button.insertAdjacentHTML("afterend", menu.replaceAll("THIS-FOLDER", id.slice("more-".length)));
    htmx.process(button.nextElementSibling);
  });
}
// The current folder is in sight, however deep it lies: the tree scrolls, the page does not.
function showCurrent() {
  const tree = document.getElementById("folders");
  const [box, here] = [tree, tree.querySelector("[aria-current]")].map((one) => one.getBoundingClientRect());
  if (here.bottom > Math.min(box.bottom, innerHeight)) tree.scrollTop += here.top - box.top - box.height / 2;
}
if (document.getElementById("folders")) showCurrent();
document.querySelector("[data-folds]")?.addEventListener("click", ({ currentTarget }) => {
  const isOpen = document.getElementById("folders").classList.toggle("open");
  showCurrent();
  currentTarget.setAttribute("aria-expanded", String(isOpen));
});
