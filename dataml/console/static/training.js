// The form of a training: shows what belongs to the kind of problem, and asks the platform what it would refuse.
"use strict";

// What another target has nothing to do with.
const KEPT = ["predictor_name", "mode", "domain", "seed", "time_limit_s", "shap_enabled"];

function showSections(form) {
  const kind = new FormData(form).get("problem_type");
  const mode = form.elements.mode.value;
  for (const element of form.querySelectorAll("[data-for]")) {
    const isMeant = element.dataset.for.split(" ").includes(kind);
    element.hidden = !isMeant;
    if (element.tagName === "OPTION") element.disabled = !isMeant && !element.selected;
  }
  for (const element of form.querySelectorAll("[data-mode]")) element.hidden = !element.dataset.mode.split(" ").includes(mode);
}

function showErrors(form, part) {
  const messages = new Map();
  for (const item of part.querySelectorAll("[data-field]")) {
    messages.set(item.dataset.field, [...(messages.get(item.dataset.field) || []), item.textContent]);
  }
  for (const place of document.querySelectorAll("[data-error]")) {
    const text = (messages.get(place.dataset.error) || []).join(" ");
    if (place.textContent !== text) place.textContent = text;
    const field = place.parentElement.querySelector("input, select, textarea");
    if (field) text ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid");
  }
}

function checkWhileTyping(form) {
  const output = document.getElementById(form.dataset.output);
  let timer = null;
  let isAsking = false;
  let isStale = false;
  const ask = async () => {
    // One check at a time: the check of a large table takes a while, and the last one counts.
    if (isAsking) return (isStale = true);
    isAsking = true;
    isStale = false;
    output.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      if (answer.redirected) return location.reload();
      if (answer.ok && !isStale && form.isConnected) {
        const part = new DOMParser().parseFromString(await answer.text(), "text/html").body;
        showErrors(form, part);
        output.replaceChildren(...document.importNode(part, true).childNodes);
      }
    } catch {
      output.textContent = "The server does not answer; the request is checked when it is sent.";
    } finally {
      isAsking = false;
      output.removeAttribute("aria-busy");
      if (isStale) ask();
    }
  };
  form.addEventListener("input", () => {
    showSections(form);
    clearTimeout(timer);
    timer = setTimeout(ask, 400);
  });
  showSections(form);
  ask();
}

function filterRows(input) {
  const rows = document.getElementById(input.dataset.filterRows).tBodies[0].rows;
  input.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  input.addEventListener("input", (event) => {
    event.stopPropagation();
    const words = input.value.toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
  });
}

function begin() {
  for (const input of document.querySelectorAll("[data-filter-rows]")) filterRows(input);
  const training = document.querySelector("form[data-check]");
  if (training) checkWhileTyping(training);
}

// The form below follows the target in place. Without this script, or an answer, the browser loads the page instead.
function replaceOptions(form) {
  let last = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    last?.abort();
    last = new AbortController();
    const url = new URL(form.action);
    url.search = new URLSearchParams(new FormData(form));
    // Its field `dataset` hides the property of that name.
    const options = document.getElementById(form.getAttribute("data-replaces"));
    options.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url, { signal: last.signal });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(options.id);
      if (answer.redirected || !fresh) return location.assign(url);
      form.querySelector("[data-error=target]").textContent = page.querySelector("[data-error=target]").textContent;
      keepTyped(options, replace(options, fresh));
      const code = document.querySelector("details.code");
      const freshCode = page.querySelector("details.code");
      freshCode.open = code.open;
      replace(code, freshCode);
      history.replaceState(null, "", url);
      begin();
    } catch (error) {
      if (error.name !== "AbortError") location.assign(url);
    }
  });
}

function keepTyped(before, after) {
  for (const name of KEPT) {
    const old = before.querySelector(`[name="${name}"]`);
    const field = after.querySelector(`[name="${name}"]`);
    if (old && field) field.type === "checkbox" ? (field.checked = old.checked) : (field.value = old.value);
  }
}

const chosen = document.querySelector("form[data-replaces]");
if (chosen) replaceOptions(chosen);
begin();

// What a training has done so far. The page has only the last message; its part is replaced while it follows the job.
function followSteps(job, state) {
  const steps = [];
  const write = () => {
    const list = document.querySelector("[data-steps]");
    const isShown = list && [...list.children].map((item) => item.textContent).join("\n") === steps.join("\n");
    if (!list || isShown) return;
    list.hidden = steps.length === 0;
    list.replaceChildren(...steps.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    list.scrollTop = list.scrollHeight;
  };
  const events = new EventSource(`/console/api/jobs/${encodeURIComponent(job)}/events`);
  const add = (event) => {
    const { phrase, state: now } = JSON.parse(event.data);
    // The head of the page says whether it waits; nothing is lost, for no step was shown yet.
    if (state === "queued" && now === "running") return location.reload();
    // Rounds of one fit are one step; fits of several algorithms take turns.
    const stem = (text) => text.replace(/[0-9,]+$/, "");
    const place = steps.findLastIndex((text, number) => number >= steps.length - 4 && stem(text) === stem(phrase));
    if (phrase && place >= 0) steps[place] = phrase;
    else if (phrase) steps.push(phrase);
    write();
  };
  events.addEventListener("state", add);
  events.addEventListener("progress", add);
  events.addEventListener("end", () => {
    events.close();
    location.reload();
  });
  new MutationObserver(write).observe(document.getElementById("model").parentElement, { childList: true, subtree: true });
}

const stepsOf = document.querySelector("[data-steps]");
if (stepsOf) followSteps(stepsOf.dataset.steps, stepsOf.dataset.state);
