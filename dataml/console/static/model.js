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

// <form data-batch="where files are uploaded to">: a file that was chosen becomes the dataset that is scored.
function batch(form) {
  const file = form.querySelector("[data-file]");
  const status = form.querySelector("[data-status]");
  const select = form.elements.dataset_id;
  if (!file) return;
  const required = select.required;
  const say = (text, isBad = false) => {
    status.hidden = !text;
    status.textContent = text;
    status.classList.toggle("bad", isBad);
  };
  file.addEventListener("change", () => (select.required = required && !file.files.length));
  let isBusy = false;
  const sendFile = async (event) => {
    if (!file.files.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (isBusy) return;
    isBusy = true;
    try {
      const id = await uploadForPrediction(form.dataset.batch, file.files[0], say);
      select.append(new Option(file.files[0].name, id, true, true));
      file.value = "";
      say("The dataset is ready; the batch starts.");
      form.requestSubmit();
    } catch (error) {
      say(error.message, true);
    }
    isBusy = false;
  };
  // Before the guard of forms, for which the form would have been sent.
  form.addEventListener("submit", sendFile, { capture: true });
}

// Upload a file as a dataset for prediction, wait for its check, and return its id.
async function uploadForPrediction(url, file, say) {
  const name = `${file.name.replace(/\.[^.]+$/, "").slice(0, 150)} ${new Date().toISOString().slice(0, 19)}`;
  const answer = await send(url, { dataset_name: name, usage: "prediction" }, file, (share) =>
    say(share < 1 ? `${Math.round(100 * share)} % sent` : "The server checks the file"));
  for (;;) {
    const job = await call("GET", `/jobs/${answer.job_id}`, { query: { wait: 20 } });
    if (!["queued", "running"].includes(job.state)) break;
    say(job.phrase || "The server checks the file");
  }
  const dataset = await call("GET", "/dataset/get_dataset_by_id", { query: { dataset_id: answer.dataset_id } });
  if (dataset.state !== "valid") throw new Error("The file was not taken: see its errors in Datasets.");
  return answer.dataset_id;
}

// Fetch has no progress of what is sent.
function send(url, query, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("files", file);
    request.open("POST", `${url}?${new URLSearchParams(query)}`);
    request.responseType = "json";
    request.upload.addEventListener("progress", (step) => onProgress(step.total ? step.loaded / step.total : 0));
    request.addEventListener("error", () => reject(new Error("The connection was lost; nothing was stored.")));
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (request.status < 300) return resolve(answer);
      const detail = answer.detail;
      const text = Array.isArray(detail) ? detail.map((part) => part.msg).join(" ") : detail;
      reject(new Error(text || `The server answered ${request.status}.`));
    });
    request.send(body);
  });
}

for (const form of document.querySelectorAll("form[data-batch]")) batch(form);

// <form data-forecast="id of a part">: the forecast is made when the page is opened and when an option changes.
function forecast(form) {
  const output = document.getElementById(form.dataset.forecast);
  const cells = [...form.querySelectorAll("td input")];
  let last = null;
  let timer = null;
  const isComplete = () => form.elements.dataset_id.value || cells.every((cell) => cell.value.trim());
  const ask = async () => {
    last?.abort();
    last = new AbortController();
    output.setAttribute("aria-busy", "true");
    try {
      const headers = { "X-Fragment": output.id };
      const answer = await fetch(form.action, { method: "POST", headers, body: new URLSearchParams(new FormData(form)), signal: last.signal });
      if (answer.redirected) return location.reload(); // the session has ended
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      output.replaceChildren(...document.importNode(page.body, true).childNodes);
      enhance(output);
      const address = output.querySelector("[data-address]")?.dataset.address;
      if (address) history.replaceState(null, "", address);
    } catch (error) {
      if (error.name !== "AbortError") output.textContent = "The server does not answer.";
    }
    output.removeAttribute("aria-busy");
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    // The rows for values of the future are those of the steps.
    if (event.target.name === "steps" && form.querySelector("fieldset")) return;
    timer = setTimeout(() => isComplete() && ask(), 400);
  });
  form.elements.steps.addEventListener("change", () => {
    if (!form.querySelector("fieldset")) return;
    const address = new URL(location.href);
    address.searchParams.set("steps", form.elements.steps.value);
    location.assign(address);
  });
  form.querySelector("[data-fill-down]")?.addEventListener("click", () => {
    const columns = form.querySelectorAll("thead th").length - 1;
    cells.forEach((cell, place) => place >= columns && (cell.value = cells[place % columns].value));
    if (isComplete()) ask();
  });
  if (isComplete() && !output.querySelector("[data-chart]")) ask();
}

for (const form of document.querySelectorAll("form[data-forecast]")) forecast(form);

// <form data-search="id of a list">: the list follows what is typed, as the page has it that the form asks for.
function search(form) {
  const list = document.getElementById(form.dataset.search);
  let timer = null;
  let last = null;
  const mark = () => {
    for (const link of list.querySelectorAll("a")) {
      if (link.textContent === list.dataset.chosen) link.setAttribute("aria-current", "true");
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      last?.abort();
      last = new AbortController();
      try {
        const query = new URLSearchParams(new FormData(form));
        const answer = await fetch(`${form.action}?${query}`, { signal: last.signal });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(list.id);
        if (fresh) list.replaceChildren(...document.importNode(fresh, true).childNodes);
        mark();
      } catch {
        // A later search has taken its place.
      }
    }, 250);
  });
  mark();
}

for (const form of document.querySelectorAll("form[data-search]")) search(form);
