// What HTML and htmx can't do alone. No texts in here: they come from data attributes of the page.
"use strict";
const dialog = document.getElementById("dialog");
const texts = document.body.dataset;

// --- Appearance ---
document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (!choice) return;
  localStorage.setItem("theme", choice);
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  event.target.closest("[popover]").hidePopover();
  document.dispatchEvent(new Event("console:theme"));
});

// --- Menus and tooltips: popovers, put beside what opens them ---
const openerOf = (popover) => document.querySelector(`[popovertarget="${popover.id}"]`);
function place(popover) {
  const opener = openerOf(popover)?.getBoundingClientRect();
  if (!opener) return;
  const box = popover.getBoundingClientRect();
  const left = popover.dataset.align === "end" ? opener.right - box.width : opener.left;
  const below = opener.bottom + 4 + box.height <= innerHeight;
  popover.style.left = `${Math.max(8, Math.min(left, innerWidth - box.width - 8))}px`;
  popover.style.top = `${below ? opener.bottom + 4 : Math.max(8, opener.top - box.height - 4)}px`;
}
document.addEventListener("beforetoggle", (event) => {
  if (event.newState === "open" && event.target.matches(".menu, .tip")) requestAnimationFrame(() => place(event.target));
}, true);
document.addEventListener("scroll", (event) => {
  for (const one of document.querySelectorAll(":popover-open")) if (!one.contains(event.target)) place(one);
}, true);
let closing = 0;
const tipOf = (target) => {
  const opener = target.closest?.("[data-tip]");
  return opener ? document.getElementById(opener.getAttribute("popovertarget")) : target.closest?.(".tip");
};
for (const kind of ["pointerover", "focusin"]) {
  document.addEventListener(kind, (event) => {
    const tip = tipOf(event.target);
    if (!tip || event.pointerType === "touch") return;
    clearTimeout(closing);
    if (!tip.matches(":popover-open") && !tip.dataset.shut) tip.showPopover();
  });
}
for (const kind of ["pointerout", "focusout"]) {
  document.addEventListener(kind, (event) => {
    const tip = tipOf(event.target);
    if (!tip || event.pointerType === "touch" || tipOf(event.relatedTarget ?? document.body) === tip) return;
    closing = setTimeout(() => tip.matches(":popover-open") && !tip.contains(document.activeElement) && tip.hidePopover(), 200);
  });
}

// --- The dialog ---
let opener = null;
htmx.on("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog || dialog.open || !dialog.innerHTML.trim()) return;
  opener = document.activeElement;
  dialog.showModal();
  dialog.querySelector("[autofocus], .wrong input, input:not([type=hidden]), select, [data-go]")?.focus();
});
// The poll may have replaced what opened the dialog: then its successor takes the focus. The browser tells of the end
// a frame late: who has gone on by then, or has opened the next dialog, is left alone.
dialog.addEventListener("close", () => {
  if (dialog.open) return;
  dialog.replaceChildren();
  if (document.activeElement && document.activeElement !== document.body) return;
  const key = opener?.getAttribute("popovertarget") ? "popovertarget" : "href";
  const value = opener?.getAttribute(key);
  const back = opener?.isConnected ? opener : value && document.querySelector(`[${key}="${CSS.escape(value)}"]`);
  (back || document.getElementById("main"))?.focus();
});
document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-close-dialog]");
  if (target && dialog.open) {
    if (target.tagName === "A") event.preventDefault();
    setTimeout(() => dialog.close());
  }
  if (event.target.closest(".menu [hx-get], .tip [hx-get]")) event.target.closest("[popover]").hidePopover();
});
// A dialog that is a page of its own is sent by the browser: once, however often one clicks.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.closest(".dialog-page")) return;
  if ("sent" in form.dataset) event.preventDefault();
  form.dataset.sent = "";
  setTimeout(() => delete form.dataset.sent, 3000);
});
document.body.addEventListener("console:close-dialog", () => dialog.close());
document.addEventListener("change", (event) => {
  if ("sends" in event.target.dataset) event.target.form.submit();
  const picks = event.target.dataset.picks;
  if (picks) event.target.form.querySelector(`[name="start"][value="${picks}"]`).checked = true;
});

// --- Toasts ---
// One that says what went wrong stays until it is closed.
function keepToast(toast) {
  toast.querySelector("[data-close-toast]").addEventListener("click", () => toast.remove());
  if (toast.dataset.level === "error") return;
  let timer = setTimeout(() => toast.remove(), 5000);
  const hold = () => clearTimeout(timer);
  const go = () => { hold(); timer = setTimeout(() => toast.remove(), 5000); };
  for (const kind of ["pointerenter", "focusin"]) toast.addEventListener(kind, hold);
  for (const kind of ["pointerleave", "focusout"]) toast.addEventListener(kind, go);
}

// --- Live parts ---
const isLive = (element) => element?.closest?.("[data-live]");
function setLive(state) {
  const shown = document.getElementById("live-state");
  if (shown && shown.dataset.state !== state) {
    shown.dataset.state = state;
    shown.firstElementChild.textContent = shown.dataset[state];
  }
}
htmx.on("htmx:beforeRequest", (event) => {
  if (isLive(event.detail.elt) && document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => setLive(document.hidden ? "paused" : "live"));
htmx.on("htmx:afterRequest", (event) => {
  if (isLive(event.detail.elt)) setLive(event.detail.successful ? "live" : "reconnecting");
});
// What has not changed stays: focus, open menus and tooltips survive. A menu whose part has changed opens again.
let reopen = "";
htmx.on("htmx:oobBeforeSwap", (event) => {
  const fresh = event.detail.fragment.firstElementChild;
  if (fresh?.id === "job-head") sayStatus(event.detail.target, fresh);
  if (fresh && plain(event.detail.target) === plain(fresh)) event.detail.shouldSwap = false;
  else reopen = event.detail.target.querySelector(".menu:popover-open")?.id || reopen;
});
htmx.on("htmx:oobAfterSwap", () => {
  const menu = reopen && document.getElementById(reopen);
  if (menu && !menu.matches(":popover-open")) menu.showPopover();
  reopen = "";
});
// Screen readers are told that the status is another one, not each time that the head was drawn again.
function sayStatus(...heads) {
  const [before, now] = heads.map((head) => head.querySelector(".strip-status .word")?.textContent);
  const said = document.getElementById("said");
  if (said && now && before !== now) said.textContent = said.dataset.text.replace("{s}", now);
}
function plain(element) {
  const copy = element.cloneNode(true);
  copy.removeAttribute("hx-swap-oob");
  for (const one of copy.querySelectorAll("time, [data-since]")) one.replaceWith(one.getAttribute("datetime") ?? one.dataset.since);
  for (const one of [copy, ...copy.querySelectorAll("[class], [style]")]) {
    one.removeAttribute("style");
    one.className.baseVal ?? (one.className = one.className.replace(/\s*htmx-\w+/g, "").trim());
  }
  return copy.outerHTML.replace(/ class=""/g, "").replace(/\s+/g, " ");
}

// --- Times in the user's zone, and running clocks ---
const day = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
// The name that is suggested for a copy tells the user's time, too.
document.cookie = `zone=${zone}; path=/; max-age=31536000; SameSite=Lax`;
// The way home leads to the workspace that one was in last.
const here = document.querySelector("[data-workspace]")?.dataset.workspace;
if (here) document.cookie = `workspace=${here}; path=/; max-age=31536000; SameSite=Lax`;
function tick(root) {
  const two = (number) => String(number).padStart(2, "0");
  for (const one of root.querySelectorAll("[data-since]")) {
    const passed = Math.max(0, Math.floor((Date.now() - Date.parse(one.dataset.since)) / 1000));
    const [d, h, m, s] = [Math.floor(passed / 86400), Math.floor(passed / 3600) % 24, Math.floor(passed / 60) % 60, passed % 60];
    one.textContent = d ? `${d}d ${two(h)}:${two(m)}:${two(s)}` : h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  }
}
setInterval(() => tick(document), 1000);

htmx.onLoad((root) => {
  const times = [...root.querySelectorAll("time[datetime]")];
  if (root.matches("time[datetime]")) times.push(root);
  for (const one of times) {
    const text = day.format(new Date(one.dateTime));
    one.title = `${text} ${zone}`;
    one.textContent = "clock" in one.dataset ? text.slice(11) : "short" in one.dataset ? text.slice(text.startsWith(day.format(new Date()).slice(0, 10)) ? 11 : 5, 16) : text;
  }
  tick(root);
  const toasts = [...root.querySelectorAll("[data-toast]")];
  if (root.matches("[data-toast]")) toasts.push(root);
  toasts.forEach(keepToast);
});

// --- Small things ---
// An address that ends in #id_parallelism leads to that field, ready to be changed.
document.querySelector(":is(input, select, textarea):target")?.focus();
// Where not all tabs fit, the one that is shown is in sight.
const tabs = document.querySelector(".tabs");
const shownTab = tabs?.querySelector("[aria-current]");
if (shownTab) tabs.scrollLeft = shownTab.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - shownTab.clientWidth) / 2;
// Browsers give the clipboard to pages over HTTPS and of this machine only; the others copy what is marked.
function toClipboard(copy) {
  const text = copy.dataset.copy;
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), { className: "sr", value: text });
  copy.after(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  copy.focus();
}
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await toClipboard(copy);
    copy.classList.add("copied");
    copy.title = texts.textCopied;
    setTimeout(() => copy.classList.remove("copied"), 1500);
  }
  if (event.target.closest("[data-print]")) print();
  const fold = event.target.closest("[data-fold]");
  const sidebar = document.getElementById("sidebar");
  const isOpen = fold ? !sidebar?.classList.contains("open") : sidebar?.contains(event.target) && sidebar.classList.contains("open");
  sidebar?.classList.toggle("open", Boolean(isOpen));
  document.querySelector("[data-fold]")?.setAttribute("aria-expanded", String(Boolean(isOpen)));
});
document.getElementById("find-bar")?.addEventListener("toggle", (event) => event.newState === "open" && document.getElementById("find").select());
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable], .ace_editor");
  const find = document.getElementById("find");
  // The editor has a use of its own for these keys.
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && find && !dialog.open && !event.target.closest(".ace_editor")) {
    event.preventDefault();
    if (!find.offsetParent) find.form.showPopover();
    find.select();
  }
  if (event.key === "/" && !isTyping && !dialog.open) {
    const search = document.getElementById("search");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
