// The console's script. Every page can be read without it; what changes something needs it where it says so.
"use strict";

// Times and numbers as the reader writes them.
function localize(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      element.title = element.textContent;
      element.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
  for (const element of root.querySelectorAll("data[data-number]")) {
    element.textContent = Number(element.value).toLocaleString(undefined, { maximumSignificantDigits: 8 });
  }
}

// <div data-live="2"> is loaded again every 2 s, for as long as the server says that something may still change. What
// has not changed is left alone. Where `data-state` has changed, the whole page is loaded: its buttons are others then.
const received = new WeakMap();
function follow(element) {
  const seconds = Number(element.dataset.live);
  setTimeout(async () => {
    if (!element.isConnected) return;
    if (document.hidden) return follow(element);
    try {
      const answer = await fetch(element.dataset.source || location.href, { headers: { "X-Fragment": element.id } });
      if (answer.redirected || answer.status === 401) return location.reload();
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(element.id);
        if (fresh && fresh.dataset.state !== element.dataset.state) return location.reload();
        if (fresh && fresh.outerHTML !== received.get(element)) return replace(element, fresh);
      }
    } catch {
      // The connection is away: asked again below.
    }
    follow(element);
  }, seconds * 1000);
}

// Put the newer content in place of an element, and return it; the focus and what was unfolded stay.
function replace(element, fresh) {
  const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const unfolded = [...element.querySelectorAll("details")].map((details) => details.open);
  const replaced = document.importNode(fresh, true);
  [...replaced.querySelectorAll("details")].forEach((details, place) => (details.open ||= unfolded[place] === true));
  received.set(replaced, fresh.outerHTML);
  element.replaceWith(replaced);
  enhance(replaced);
  if (focused !== null) [...replaced.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused)?.focus();
  return replaced;
}

// A form is sent once; a dangerous one is asked about first.
function guard(form) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    const question = event.submitter?.dataset.confirm || form.dataset.confirm;
    if (question && !confirm(question)) return event.preventDefault();
    if (form.dataset.sent) return event.preventDefault();
    if (form.method !== "get") {
      form.dataset.sent = "1";
      for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = true;
    }
  });
}

// A call of the API with the session of this page.
async function call(method, path, { body, query, signal } = {}) {
  const url = new URL("/console/api" + path, location.origin);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  const options = { method, headers: { Accept: "application/json" }, signal };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  const answer = await fetch(url, options);
  const content = await answer.json().catch(() => ({}));
  if (answer.status === 401) location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
  if (!answer.ok) {
    const detail = content.detail;
    const text = Array.isArray(detail) ? detail.map((part) => part.msg).join(" ") : detail || answer.statusText;
    throw Object.assign(new Error(text), { status: answer.status, code: content.code, body: content });
  }
  return content;
}

// <form data-predict> asks for a prediction while the fields change.
function predict(form) {
  const output = document.getElementById(form.dataset.predict);
  let last = null;
  let timer = null;
  const ask = async () => {
    last?.abort();
    last = new AbortController();
    try {
      const headers = { "X-Fragment": output.id };
      const answer = await fetch(form.action, { method: "POST", headers, body: new URLSearchParams(new FormData(form)), signal: last.signal });
      if (answer.redirected) return location.reload(); // the session has ended
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      output.replaceChildren(...document.importNode(page.body, true).childNodes);
      enhance(output);
    } catch (error) {
      if (error.name !== "AbortError") output.textContent = "The server does not answer.";
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 250);
  };
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
}

// What scrolls sideways can be scrolled by keyboard.
function scrollable(element) {
  if (element.hasAttribute("tabindex")) return;
  const title = element.closest("section")?.querySelector("h2, h3") || document.querySelector("h1");
  new ResizeObserver(() => {
    const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
    for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", title?.textContent ?? ""]]) {
      if (scrolls) element.setAttribute(name, value);
      else element.removeAttribute(name);
    }
  }).observe(element);
}

function copying(button) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const text = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = text), 1500);
  });
}

function theme(button) {
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme === "dark" || (root.dataset.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = isDark ? "light" : "dark";
    document.cookie = `dataml_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
    for (const chart of document.querySelectorAll("[data-chart]")) draw(chart);
  });
}

// The specification of a chart: <div data-chart="id of a script">, or <div data-chart data-from="a call of the API"
// data-path="names in its answer">. An answer that has several charts is asked for once.
const answers = new Map();
async function specificationOf(element) {
  const { chart, from, path } = element.dataset;
  if (chart) return JSON.parse(document.getElementById(chart).textContent);
  if (!answers.has(from)) answers.set(from, call("GET", from));
  const found = path.split(".").reduce((value, name) => value?.[name], await answers.get(from));
  if (!found) throw new Error(`${from} has no ${path}`);
  return structuredClone(found);
}

// Vega-Lite sizes the inner part of a chart; axes and legends take the rest.
function fit(specification, width) {
  const room = Math.max(width - 110, 150);
  if (typeof specification.width === "number" && specification.width > room) specification.width = room;
}

// Vega is loaded after the text.
let vega = null;
function draw(element) {
  vega ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.vega;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  vega.then(async () => {
    const specification = await specificationOf(element);
    if (element.dataset.from && !element.closest(".across")) delete specification.title; // it has a heading
    fit(specification, element.clientWidth);
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--text");
    const axis = { labelColor: text, titleColor: text, gridColor: style.getPropertyValue("--border"), domainColor: style.getPropertyValue("--border") };
    const config = { background: null, axis, legend: { labelColor: text, titleColor: text, ...(element.clientWidth < 600 && { orient: "bottom" }) }, title: { color: text }, text: { color: text }, view: { stroke: null } };
    // `ast`: expressions are interpreted, for no page may make functions out of text.
    delete specification.$schema; // of an older version than this one, which reads it all the same
    const tooltip = { disableDefaultStyle: true };
    await vegaEmbed(element, specification, { mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip, config });
  }).catch(() => (element.textContent = "The chart could not be loaded."));
}

function enhance(root) {
  localize(root);
  const each = (selector, action) => {
    if (root.matches?.(selector)) action(root);
    root.querySelectorAll(selector).forEach(action);
  };
  each("[data-needs-script]", (element) => (element.hidden = false));
  each("[data-live]", follow);
  each("form", guard);
  each("form[data-predict]", predict);
  each("[data-copy]", copying);
  each(".scroll, .chart", scrollable);
  each("[data-theme-toggle]", theme);
  each("[data-chart]", draw);
  each("[data-submit-on-change]", (field) => field.addEventListener("change", () => field.form.requestSubmit()));
}

const menu = document.querySelector(".menu");
if (menu) {
  const toggle = menu.querySelector(".menu-toggle");
  const set = (isOpen) => {
    menu.classList.toggle("closed", !isOpen);
    toggle.setAttribute("aria-expanded", String(isOpen));
  };
  set(false);
  toggle.addEventListener("click", () => set(menu.classList.contains("closed")));
}
enhance(document);
