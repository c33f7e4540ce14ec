// What is said when the console does not do what was asked: in the dialog where it was asked, else in a message that stays.
"use strict";
const reasons = {
  0: texts.textOffline,
  401: texts.textSignedOut,
  403: texts.textForbidden,
  404: texts.textGone,
  413: texts.textTooLarge,
  503: texts.textUnavailable,
};
let isOver = false; // what the page shows is gone, or is no longer for this user: asking on makes no sense

function complain(status, about) {
  const made = document.getElementById("complaint").content.firstElementChild.cloneNode(true);
  made.querySelector("p").textContent = reasons[status] ?? texts.textError;
  made.dataset.complaint = status;
  if (status === 401) made.querySelector("a").hidden = false;
  const place = (dialog.open && dialog.contains(about) && dialog.querySelector(".body")) || document.getElementById("toasts");
  for (const one of place.querySelectorAll("[data-complaint]")) one.remove();
  place.prepend(made);
  keepToast(made);
  made.scrollIntoView({ block: "nearest" });
}

// Somebody signed out elsewhere, or was away for too long. Nothing that he has typed may be lost for it.
function signedOut() {
  const isLeft = document.dispatchEvent(new Event("console:leave", { cancelable: true }));
  if (isLeft && !dialog.open) location.reload();
  else if (!document.querySelector('[data-complaint="401"]')) complain(401, dialog);
}

htmx.on("htmx:responseError", (event) => {
  const { elt, xhr } = event.detail;
  if (xhr.status === 401) return signedOut();
  if (!isLive(elt)) return complain(xhr.status, elt);
  if (isOver || ![403, 404].includes(xhr.status)) return;
  isOver = true;
  complain(xhr.status, elt);
});
htmx.on("htmx:sendError", (event) => { if (!isLive(event.detail.elt)) complain(0, event.detail.elt); });
htmx.on("htmx:beforeRequest", (event) => { if (isOver && isLive(event.detail.elt)) event.preventDefault(); });
htmx.on("htmx:afterRequest", (event) => {
  if (isOver) setLive("over");
  if (event.detail.successful) for (const one of document.querySelectorAll('[data-complaint="0"], [data-complaint="401"]')) one.remove();
});
// Signing in gives another token than the one that the forms of this page were made with.
htmx.on("htmx:configRequest", (event) => {
  const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1];
  if (token && event.detail.formData.has("csrfmiddlewaretoken")) event.detail.formData.set("csrfmiddlewaretoken", token);
});
