// The portal's behaviours: an order's page follows the order, clocks run, files are picked and sent, and failures are told kindly.
"use strict";

const POLL_MS = 2000, POLL_MOST_MS = 30000, LIST_MS = 15000, BUSY_MOST_MS = 8000, RING = 169.6, SHORT_S = 900;
const byId = (id) => document.getElementById(id);
const show = (id, shown) => { const element = byId(id); if (element) element.hidden = !shown; };

/* Clocks. The server sends deadlines and what its own clock says; the page counts. */
let skew = 0;
function setClock(root = document) {
  const stamp = root.querySelector("[data-now]");
  if (stamp) skew = Number(stamp.dataset.now) - Date.now();
}
function clockText(seconds) {
  const left = Math.abs(seconds), two = (n) => String(n).padStart(2, "0");
  const text = left >= 3600 ? `${Math.floor(left / 3600)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}` : `${two(Math.floor(left / 60))}:${two(left % 60)}`;
  return seconds < 0 ? `−${text}` : text;
}
function tick() {
  document.querySelectorAll("[data-due]").forEach((element) => {
    const left = Math.floor((Number(element.dataset.due) - Date.now() - skew) / 1000);
    const text = element.querySelector("[data-clock]"), ring = element.querySelector("[data-ring]");
    if (text) text.textContent = clockText(left);
    if (ring) {
      const share = left < 0 ? 1 : Math.min(1, left / Number(element.dataset.total));
      ring.setAttribute("stroke-dasharray", `${(RING * share).toFixed(1)} ${RING}`);
      element.classList.toggle("late", left < 0);
      element.classList.toggle("fine", left >= SHORT_S);
    } else {
      element.classList.toggle("overdue", left < 0);
      element.classList.toggle("warn", left >= 0 && left < SHORT_S);
    }
  });
}

/* The open order: asks every two seconds while it is seen, more slowly when nobody answers, and not at all once it has ended. */
let wait = POLL_MS, timer = 0, asking = null;
const order = () => byId("order"), facts = () => byId("order-facts");
const later = () => {
  clearTimeout(timer);
  if (order() && facts().dataset.ended !== "true") timer = setTimeout(() => { if (!document.hidden) refresh(); }, wait);
};
function refresh() {
  if (!order()) return Promise.resolve();
  asking = asking || ask().catch(lost).finally(() => { asking = null; later(); });
  return asking;
}
async function ask() {
  const response = await fetch(`${order().dataset.live}?v=${facts().dataset.version}`, {
    headers: { "HX-Request": "true", "HX-Current-URL": location.href }, signal: AbortSignal.timeout(15000),
  });
  const login = response.headers.get("HX-Redirect");
  if (login) { location.href = login; return; }
  if (response.status === 404 || response.status === 403) { location.reload(); return; }
  if (!response.ok) throw new Error(String(response.status));
  found();
  if (response.status === 200) swapParts(await response.text());
}
function found() { wait = POLL_MS; show("offline", false); }
function lost() { wait = Math.min(wait * 2, POLL_MOST_MS); show("offline", true); }

/* Only parts whose key changed are put in anew. A part that somebody is filling in waits for its turn. */
function swapParts(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html"), news = fresh.getElementById("order-facts");
  if (!news) return;
  let whole = true;
  fresh.querySelectorAll("[data-part]").forEach((part) => {
    const old = byId(part.id);
    if (!old || old.dataset.key === part.dataset.key) return;
    if (inUse(old)) whole = false;
    else swapPart(old, document.adoptNode(part));
  });
  if (news.dataset.state !== facts().dataset.state) {
    byId("news").textContent = news.dataset.label;
    document.title = document.title.replace(facts().dataset.label, news.dataset.label);
  }
  if (!whole) news.dataset.version = "waiting";
  facts().replaceWith(document.adoptNode(news));
  setClock();
  tick();
}
function inUse(part) {
  const focused = part.contains(document.activeElement) && document.activeElement.matches("input:not([type=file]), textarea, select");
  return focused || [...part.querySelectorAll("input[type=file]")].some((input) => input.files.length) || Boolean(part.querySelector("[data-busy]:not([data-done])"));
}
function swapPart(old, part) {
  const open = [...old.querySelectorAll("details[open][id]")].map((details) => details.id);
  const focused = old.contains(document.activeElement) ? document.activeElement.id || document.activeElement.closest("[id]").id : "";
  old.replaceWith(part);
  for (const id of open) { const details = byId(id); if (details) details.open = true; }
  window.htmx.process(part);
  if (!focused) return;
  const heir = byId(focused), target = heir && heir.matches("a, button, input, [tabindex]") ? heir : part.querySelector("a, button, summary, [tabindex]");
  if (target) target.focus({ preventScroll: true });
  else { part.tabIndex = -1; part.focus({ preventScroll: true }); }
}

/* Forms are sent once; a second press while the first is under way does nothing. */
function busy(form, on) {
  if (on) { form.dataset.busy = "1"; setTimeout(() => busy(form, false), on === true ? BUSY_MOST_MS * 8 : on); } else delete form.dataset.busy;
  for (const control of form.elements) if (control.tagName === "BUTTON") control.setAttribute("aria-disabled", on ? "true" : "false");
}
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.busy) { event.preventDefault(); event.stopPropagation(); return; }
  if (!form.matches("[hx-post], [hx-get]")) busy(form, BUSY_MOST_MS);
}, true);
addEventListener("pageshow", () => document.querySelectorAll("[data-busy]").forEach((form) => busy(form, false)));
document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  show("failure", false);
  byId("notice").replaceChildren();
  if (detail.elt.matches("[data-once], [data-upload]")) busy(detail.elt, true);
  if (detail.elt.matches("[data-upload]")) sending(detail.elt, true);
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.elt;
  if (form.matches("[data-upload]")) sending(form, false);
  if (!form.matches("[data-once], [data-upload]")) return;
  if (!detail.successful || !form.matches("[hx-swap=none]")) { busy(form, false); return; }
  form.dataset.done = "1";
  form.reset();
  refresh().finally(() => { delete form.dataset.done; busy(form, false); });
});
document.addEventListener("order-changed", () => { asking = null; refresh(); });

/* Answers that refuse: a form or a row comes back with its messages; anything else is told at the top. */
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const status = detail.xhr.status, text = detail.serverResponse.trimStart();
  if (status < 400 || text.startsWith("<!")) return;
  detail.shouldSwap = true;
  detail.isError = false;
  if (!text.startsWith('<div class="alert')) return;
  detail.target = byId("notice");
  detail.swapOverride = "innerHTML";
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  setClock();
  tick();
  const wrong = detail.elt.querySelector(".errorlist[role=alert], [aria-invalid=true]");
  if (wrong) wrong.focus();
  entry();
});
document.addEventListener("htmx:responseError", () => show("failure", true));
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, ({ detail }) => { lost(); if (detail.elt.matches("[data-upload]")) unsent(detail.elt); });
}
document.addEventListener("htmx:afterOnLoad", () => show("offline", false));
addEventListener("offline", () => show("offline", true));
addEventListener("online", () => {
  found();
  refresh();
  document.querySelectorAll("form[data-unsent]").forEach((form) => form.requestSubmit());
});

/* Papers: picked with the camera or as a file, sent at once, with progress, and sent again when the connection is back. */
const row = (form, name) => form.closest(".paper").querySelector(name);
function sending(form, on) {
  row(form, ".sending").hidden = !on;
  if (on) { row(form, ".unsent").hidden = true; delete form.dataset.unsent; }
}
function unsent(form) { row(form, ".unsent").hidden = false; form.dataset.unsent = "1"; }
document.addEventListener("htmx:xhr:progress", ({ detail, target }) => {
  if (target.matches("[data-upload]") && detail.lengthComputable) row(target, "progress").value = (100 * detail.loaded) / detail.total;
});
document.addEventListener("change", ({ target }) => {
  const pick = target.matches("input[type=file]") && target.closest("[data-pick]");
  if (!pick || !target.files.length) return;
  const kept = pick.querySelector("input[type=file]:not([data-camera])");
  if (target !== kept) {
    const files = new DataTransfer();
    files.items.add(target.files[0]);
    kept.files = files.files;
    target.value = "";
  }
  const told = pick.querySelector("[data-picked]");
  if (told) told.textContent = kept.files[0].name;
  if (pick.matches("[data-upload]")) pick.requestSubmit();
});

/* A new order: the vehicle is chosen from the list, and the loan stands under what was entered. */
document.addEventListener("click", ({ target }) => {
  const vehicle = target.closest("[data-vehicle]");
  if (vehicle) chooseVehicle(vehicle);
  if (target.closest("[data-print]")) print();
  if (target.closest("[data-close]")) target.closest(".alert").remove();
});
document.addEventListener("click", (event) => {
  const back = event.target.closest("[data-back]");
  if (back && document.referrer.startsWith(location.origin) && document.referrer !== location.href) { event.preventDefault(); history.back(); }
});
function chooseVehicle(button) {
  const form = button.closest("form"), price = form.elements.price;
  form.elements.vehicle.value = button.dataset.vehicle;
  byId("vehicle-search").value = button.dataset.name;
  if (!price.value) price.value = button.dataset.price;
  byId("vehicle-list").replaceChildren();
  price.focus();
  entry();
}
document.addEventListener("keydown", (event) => {
  const field = event.target.closest(".vehicle");
  if (!field || !["ArrowDown", "ArrowUp", "Escape", "Enter"].includes(event.key)) return;
  const search = field.querySelector("[type=search]"), stops = [search, ...field.querySelectorAll("[data-vehicle]")];
  if (event.key === "Enter" && event.target !== search) return;
  event.preventDefault();
  if (event.key === "Enter") { if (stops.length === 2) stops[1].click(); return; }
  if (event.key === "Escape") { byId("vehicle-list").replaceChildren(); search.focus(); return; }
  const next = stops.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  if (stops[next]) stops[next].focus();
});
document.addEventListener("input", ({ target }) => {
  if (target.id === "vehicle-search") target.form.elements.vehicle.value = "";
  if (target.closest("[data-entry]")) entry();
});
function entry() {
  const form = document.querySelector("[data-entry]");
  if (!form) return;
  const number = (name) => Number(form.elements[name].value.replace(/[,\s]/g, "")), price = number("price"), down = number("down_payment");
  const known = price > 0 && down >= 0 && down < price && form.elements.down_payment.value !== "";
  const share = form.querySelector("[data-share]");
  form.querySelector("[data-loan]").textContent = known ? (price - down).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : "–";
  share.textContent = known ? `${((100 * down) / price).toFixed(1)}% ${share.dataset.word}` : "";
}

/* The list of orders renews itself while nobody is in it. */
function refreshList() {
  const list = byId("orders");
  if (!list || document.hidden || list.contains(document.activeElement)) return;
  const pages = list.querySelector("[data-page]"), asked = new FormData(byId("filter"));
  asked.delete("csrfmiddlewaretoken");
  if (pages) asked.append("page", pages.dataset.page);
  const renewed = { source: list, target: list, swap: "innerHTML", values: Object.fromEntries(asked) };
  /* What somebody asks for meanwhile goes first, and ends this request. */
  window.htmx.ajax(asked.get("q") ? "POST" : "GET", location.pathname, renewed).catch(() => {});
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) { refresh(); refreshList(); } });
setClock();
tick();
entry();
setInterval(tick, 1000);
if (byId("orders")) setInterval(refreshList, LIST_MS);
later();
