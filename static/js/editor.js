// The SQL editor: a textarea without JavaScript, Ace with it.
"use strict";
ace.config.set("useStrictCSP", true);
const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const themeNow = () => {
  const chosen = document.documentElement.dataset.theme;
  const isDark = chosen ? chosen === "dark" : darkSystem.matches;
  return isDark ? "ace/theme/tomorrow_night" : "ace/theme/chrome";
};

function begin(area) {
  const box = Object.assign(document.createElement("div"), { className: "ace-box" });
  area.after(box);
  area.hidden = true;
  const editor = ace.edit(box, {
    mode: "ace/mode/sql",
    theme: themeNow(),
    readOnly: area.readOnly,
    useWorker: false,
    showPrintMargin: false,
    tabSize: 2,
    useSoftTabs: true,
    highlightActiveLine: !area.readOnly,
    enableKeyboardAccessibility: true,
    scrollPastEnd: 0.2,
  });
  editor.session.setValue(area.value);
  editor.textInput.getElement().setAttribute("aria-label", area.getAttribute("aria-label"));
  editor.session.on("change", () => { area.value = editor.getValue(); });
  const dress = () => editor.setTheme(themeNow());
  document.addEventListener("console:theme", dress);
  darkSystem.addEventListener("change", dress);
  new ResizeObserver(() => editor.resize()).observe(box);
  return editor;
}

// Marks the line that the last check complains about, until somebody types.
function markErrors(editor) {
  let marker = null;
  const clear = () => {
    if (marker !== null) editor.session.removeMarker(marker);
    marker = null;
    editor.session.clearAnnotations();
  };
  const mark = (result) => {
    clear();
    const row = Number(result.dataset.errorLine) - 1;
    if (!(row >= 0)) return;
    const Range = ace.require("ace/range").Range;
    marker = editor.session.addMarker(new Range(row, 0, row, 1), "error-line", "fullLine");
    editor.session.setAnnotations([{ row, column: 0, text: result.dataset.errorText, type: "error" }]);
    editor.resize();  // what is told below has just taken room
    editor.scrollToLine(row, true, true);
  };
  editor.session.on("change", clear);
  htmx.onLoad((root) => { if (root.id === "draft-result") mark(root); });
  const result = document.getElementById("draft-result");
  if (result) mark(result);
  document.addEventListener("click", (event) => {
    const line = event.target.closest("[data-go-to-line]")?.dataset.goToLine;
    if (line) {
      editor.gotoLine(Number(line), 0, true);
      editor.focus();
    }
  });
}

// Puts what a button stands for where the cursor is.
function insertOnClick(editor) {
  document.addEventListener("click", (event) => {
    const text = event.target.closest("[data-insert]")?.dataset.insert;
    if (!text) return;
    editor.insert(text);
    editor.focus();
  });
}

// Knows whether there is unsaved work, and warns before it is left.
function guard(form, editor) {
  const mark = form.querySelector("[data-unsaved]");
  const publish = form.querySelector("[data-publish]");
  let changes = 0, sent = 0, saved = 0;
  const show = () => { mark.hidden = changes === saved; };
  const changed = () => { changes += 1; show(); };
  editor.session.on("change", changed);
  form.addEventListener("input", (event) => { if (!event.target.closest(".ace_editor")) changed(); });
  form.addEventListener("htmx:beforeRequest", () => { sent = changes; });
  document.body.addEventListener("console:saved", () => { saved = sent; show(); });
  document.body.addEventListener("console:open-publish", () => htmx.ajax("GET", publish.dataset.publish, "#dialog"));
  document.addEventListener("console:leave", (event) => { if (changes !== saved) event.preventDefault(); });
  addEventListener("beforeunload", (event) => { if (changes !== saved) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-discard]")) saved = changes;
    // "Save mine over theirs": the button stands outside the form, in the conflict's dialog.
    const over = event.target.closest("[data-over]");
    if (!over) return;
    event.preventDefault();
    form.elements.revision.value = over.dataset.over;
    form.requestSubmit(form.querySelector('[value="save"]'));
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      form.requestSubmit(form.querySelector('[value="save"]'));
    }
  });
}

for (const area of document.querySelectorAll("[data-editor]")) {
  const editor = begin(area);
  const form = area.closest("[data-draft]");
  if (form) {
    markErrors(editor);
    insertOnClick(editor);
    guard(form, editor);
  }
}
