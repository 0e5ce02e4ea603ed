// The script of a model's page; it stands on console.js.
"use strict";

// <form data-thresholds="id of a script with the measured ones">: counts and costs follow the slider.
function thresholds(form) {
  const points = JSON.parse(document.getElementById(form.dataset.thresholds).textContent);
  const area = form.closest(".grid");
  const field = (name) => form.elements[name];
  const number = (name) => Math.max(Number(field(name).value.replace(",", ".")) || 0, 0);
  const cost = (point) => point.false_positives * number("fp") + point.false_negatives * number("fn");
  const format = (value) => value.toLocaleString(undefined, { maximumSignificantDigits: 6 });
  const cheapest = () => points.reduce((best, point, index) => (cost(point) < cost(points[best]) ? index : best), 0);
  const show = () => {
    const point = points[Number(field("at").value)];
    const shown = { ...point.shown, cost: format(cost(point)), cheapest: points[cheapest()].shown.threshold };
    for (const element of area.querySelectorAll("[data-show]")) element.textContent = shown[element.dataset.show];
    for (const element of area.querySelectorAll("[data-value]")) element.value = point[element.dataset.value];
    field("at").setAttribute("aria-valuetext", point.shown.threshold);
    const address = new URL(location.href);
    for (const name of ["at", "fp", "fn"]) address.searchParams.set(name, field(name).value);
    address.searchParams.delete("notice");
    history.replaceState(null, "", address);
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("[data-cheapest]").addEventListener("click", () => {
    field("at").value = cheapest();
    show();
  });
  field("at").setAttribute("aria-valuetext", points[Number(field("at").value)].shown.threshold);
}

for (const form of document.querySelectorAll("form[data-thresholds]")) thresholds(form);

// An open list of choices closes by Escape, and by a click beside it.
for (const choices of document.querySelectorAll("details.choices")) {
  document.addEventListener("click", (event) => choices.contains(event.target) || (choices.open = false));
  choices.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !choices.open) return;
    choices.open = false;
    choices.querySelector("summary").focus();
  });
}
