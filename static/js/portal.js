// The portal's small behaviours: the promise's countdown, the vehicle picker, and telling when a request fails.
"use strict";

function clockText(seconds) {
  const left = Math.abs(seconds);
  const text = `${String(Math.floor(left / 60)).padStart(2, "0")}:${String(left % 60).padStart(2, "0")}`;
  return seconds < 0 ? `−${text}` : text;
}

function tick() {
  document.querySelectorAll("[data-left]").forEach((timer) => {
    const started = Number(timer.dataset.started || (timer.dataset.started = Date.now()));
    const left = Number(timer.dataset.left) - Math.floor((Date.now() - started) / 1000);
    timer.firstChild.nodeValue = clockText(left);
  });
}
setInterval(tick, 1000);

document.addEventListener("change", (event) => {
  const upload = event.target.closest("input[data-submit]");
  if (upload) upload.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-vehicle]");
  if (!choice) return;
  const form = choice.closest("form");
  form.querySelector("[name=vehicle]").value = choice.dataset.vehicle;
  const search = form.querySelector("#vehicle-search");
  search.value = choice.dataset.name;
  const price = form.querySelector("[name=price]");
  if (!price.value) price.value = choice.dataset.price;
  form.querySelector("#vehicle-list").replaceChildren();
  price.focus();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  // A refused form comes back with 422 and its messages: show it.
  if (event.detail.xhr.status === 422) { event.detail.shouldSwap = true; event.detail.isError = false; }
});
for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(name, () => { document.getElementById("offline").hidden = false; });
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.getElementById("offline").hidden = true;
});
