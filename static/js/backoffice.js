// The back office's small behaviours: single keys, the decision's reason, dialogs, tabs, printing.
"use strict";

const KEYS_OFF = "backoffice.keys-off";

function stored(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function showKeys(off) {
  document.body.classList.toggle("keys-off", off);
  document.querySelectorAll("[data-keys-switch]").forEach((button) => {
    button.setAttribute("aria-pressed", String(!off));
    button.lastElementChild.textContent = off ? button.dataset.off : button.dataset.on;
  });
}
showKeys(stored(KEYS_OFF) === "1");

document.addEventListener("click", (event) => {
  const keysSwitch = event.target.closest("[data-keys-switch]");
  if (keysSwitch) {
    const off = !document.body.classList.contains("keys-off");
    try { localStorage.setItem(KEYS_OFF, off ? "1" : ""); } catch { /* private window: lasts for this page */ }
    showKeys(off);
  }
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog").close();
  const reveal = event.target.closest("[data-reveal]");
  if (reveal) {
    document.getElementById(reveal.dataset.reveal).classList.add("shown");
    const field = document.getElementById(reveal.dataset.focus);
    field.focus();
    field.select();
  }
  if (event.target.closest("[data-print]")) window.print();
  const nav = document.querySelector("details.nav[open]");
  if (nav && !nav.contains(event.target)) nav.open = false;
});

// A decision needs its reason; the field says so instead of the browser's bubble.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form.decide");
  if (!form) return;
  const reason = form.querySelector("[name=reason]");
  const needs = event.submitter && event.submitter.dataset.needs;
  if (reason && (reason.required || needs) && !reason.value.trim()) {
    event.preventDefault();
    askReason(reason);
    return;
  }
  form.querySelectorAll("button").forEach((button) => button.classList.add("sent"));
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});

document.addEventListener("invalid", (event) => {
  if (!event.target.closest("form.decide")) return;
  event.preventDefault();
  askReason(event.target);
}, true);

function askReason(field) {
  field.classList.add("missing");
  field.setAttribute("aria-invalid", "true");
  field.focus();
}

document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.classList.contains("missing") && field.value.trim()) {
    field.classList.remove("missing");
    field.removeAttribute("aria-invalid");
  }
  mirror(field);
});

// The button says the amount that it sends.
function mirror(field) {
  document.querySelectorAll(`[data-mirror="${field.name}"]`).forEach((place) => {
    const amount = Number(field.value.replace(/[,，\s]/g, ""));
    place.textContent = Number.isFinite(amount) ? amount.toLocaleString("en-US", { maximumFractionDigits: 2 }) : field.value;
  });
}
document.querySelectorAll("form.decide input[name]").forEach(mirror);

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "Escape") {
    if (field && !field.closest("dialog")) field.blur();
    const nav = document.querySelector("details.nav[open]");
    if (nav) { nav.open = false; nav.firstElementChild.focus(); }
    return;
  }
  if (field && field.closest("form.decide") && event.key === "Enter" && field.tagName === "INPUT") {
    event.preventDefault();
    return;
  }
  const busy = field || event.ctrlKey || event.metaKey || event.altKey || event.repeat;
  if (busy || document.body.classList.contains("keys-off") || document.querySelector("dialog[open], details.nav[open]")) return;
  const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (!target) return;
  event.preventDefault();
  target.focus();
  target.click();
});

function showTab() {
  const tabs = [...document.querySelectorAll(".tabs a")].filter((tab) => tab.hash); // others lead to pages, which say themselves where they are
  const known = tabs.some((tab) => tab.hash === location.hash);
  tabs.forEach((tab, place) => {
    const current = known ? tab.hash === location.hash : place === 0;
    if (current) tab.setAttribute("aria-current", "page"); else tab.removeAttribute("aria-current");
  });
}
addEventListener("hashchange", showTab);
showTab();

// Deadlines run in the page; the server only sent what was left. Told to nobody each minute, read when looked at.
const URGENT_S = 15 * 60;
const opened = Date.now();

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function span(seconds) {
  const words = document.body.dataset;
  const m = Math.floor(seconds / 60);
  if (m < 60) return filled(words.minutes, { m });
  const h = Math.floor(m / 60);
  if (h < 24) return filled(words.hours, { h, m: String(m % 60).padStart(2, "0") });
  return filled(words.days, { d: Math.floor(h / 24), h: h % 24 });
}

function tick() {
  const words = document.body.dataset;
  document.querySelectorAll(".tag[data-left]").forEach((timer) => {
    const left = Number(timer.dataset.left) - Math.floor((Date.now() - opened) / 1000);
    timer.classList.remove("ok", "warn", "overdue");
    timer.classList.add(left < 0 ? "overdue" : left < URGENT_S ? "warn" : "ok");
    timer.querySelector("span").textContent = filled(left < 0 ? words.over : words.left, { time: span(Math.abs(left)) });
  });
}
if (document.body.dataset.minutes) setInterval(tick, 15000);

document.addEventListener("htmx:beforeSwap", (event) => {
  // A refusal comes as a part of the page, with its message.
  if (event.detail.xhr.status >= 400 && event.detail.xhr.status < 500) { event.detail.shouldSwap = true; event.detail.isError = false; }
});
