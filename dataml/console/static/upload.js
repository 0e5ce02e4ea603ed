// The upload of files: chosen or dropped, sent with the progress of each, cancelled, and refused in words.
"use strict";

{
  const form = document.querySelector("form[data-upload]");
  const drop = form.querySelector(".drop");
  const picker = form.querySelector("input[type=file]");
  const list = form.querySelector("[data-files]");
  const status = form.querySelector("[data-status]");
  const refusal = form.querySelector("[data-refusal]");
  const send = form.querySelector("[data-send]");
  const cancel = form.querySelector("[data-cancel]");
  const look = form.querySelector("[data-look]");
  const draft = form.querySelector("[data-draft]");
  const nameField = form.querySelector("input[name=dataset_name]");
  const templateField = form.querySelector("select[name=template_id]");

  let chosen = [];
  let request = null;
  let drafted = null;

  const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: bytes < 1e7 ? 2 : 0 })} MB`;

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function show() {
    list.replaceChildren(
      ...chosen.map((file, place) => {
        const remove = element("button", { type: "button", className: "plain", textContent: "Remove", hidden: request !== null });
        remove.setAttribute("aria-label", `Remove ${file.name}`);
        remove.addEventListener("click", () => choose(chosen.filter((_, other) => other !== place)));
        const progress = element("progress", { value: 0, max: file.size || 1, hidden: request === null });
        progress.setAttribute("aria-label", `Sent of ${file.name}`);
        const size = element("span", { className: "muted small", textContent: megabytes(file.size) });
        return element("li", {}, element("span", { className: "name", textContent: file.name }), size, remove, progress);
      }),
    );
  }

  function choose(files) {
    chosen = files;
    drafted = null;
    draft.replaceChildren();
    if (chosen.length && !nameField.value) nameField.value = chosen[0].name.replace(/\.(gz|zst|bz2)$/i, "").replace(/\.[^.]+$/, "");
    status.textContent = chosen.length ? "" : "Nothing is chosen yet.";
    look.hidden = !chosen.length || !look.dataset.may;
    refuse(null);
    show();
  }

  // The sentence of the API on top of the form, and the field that it is about.
  function refuse(text, detail) {
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    refusal.hidden = text === null;
    refusal.textContent = text || "";
    if (text === null) return;
    for (const part of Array.isArray(detail) ? detail : []) {
      form.elements.namedItem(part.loc?.at(-1))?.setAttribute?.("aria-invalid", "true");
    }
    refusal.scrollIntoView({ block: "nearest" });
  }

  const words = (detail, otherwise) =>
    Array.isArray(detail) ? detail.map((part) => `${part.loc?.at(-1) ?? ""}: ${part.msg}`).join(" ") : detail || otherwise;

  function busy(isBusy) {
    send.disabled = look.disabled = picker.disabled = isBusy;
    cancel.hidden = !isBusy;
    show();
  }

  // The parts of a form are sent in the order of the files, so the bytes of each follow from those of all.
  function progress(loaded, total) {
    const all = chosen.reduce((sum, file) => sum + file.size, 0);
    let before = Math.max(0, total - all);
    const bars = list.querySelectorAll("progress");
    let sent = Math.max(0, loaded - before);
    status.textContent = loaded < total ? `${megabytes(Math.min(sent, all))} of ${megabytes(all)} sent` : "All is sent. The server looks at the structure of the files.";
    chosen.forEach((file, place) => {
      bars[place].value = Math.min(file.size || 1, Math.max(0, sent));
      sent -= file.size;
    });
  }

  function post(path, query, done) {
    const url = new URL("/console/api" + path, location.origin);
    for (const [name, value] of query) if (value) url.searchParams.set(name, value);
    const body = new FormData();
    for (const file of chosen) body.append("files", file);
    request = new XMLHttpRequest();
    request.open("POST", url);
    request.responseType = "json";
    request.upload.addEventListener("progress", (step) => request && progress(step.loaded, step.total));
    const ended = (text, detail) => {
      request = null;
      busy(false);
      status.textContent = "";
      refuse(text, detail);
    };
    request.addEventListener("load", () => {
      const { status: code, response } = request;
      const answer = response || {};
      if (code === 401) return location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
      if (code >= 300) return ended(words(answer.detail, `The server answered ${code}.`), answer.detail);
      ended(null);
      done(answer);
    });
    request.addEventListener("error", () => ended("The connection was lost. Nothing was stored; send it again."));
    request.addEventListener("abort", () => ended("Cancelled. Nothing was stored."));
    busy(true);
    refuse(null);
    request.send(body);
  }

  const fields = (...names) => names.map((name) => [name, form.elements.namedItem(name)?.value]);
  const CSV = ["encoding", "header_row", "delimiter"];

  function showDraft(answer) {
    drafted = answer.template_schema;
    const types = JSON.parse(draft.dataset.types);
    const rows = drafted.map((column) => {
      const type = element("select", {}, ...types.map((name) => element("option", { textContent: name, selected: name === column.data_type })));
      type.setAttribute("aria-label", `Type of ${column.column_name}`);
      type.addEventListener("change", () => {
        // What was found about how values are written is about the type that was found.
        for (const name of Object.keys(column)) if (name !== "column_name") delete column[name];
        column.data_type = type.value;
      });
      const required = element("input", { type: "checkbox", checked: column.nullable === false });
      required.setAttribute("aria-label", `${column.column_name} is required`);
      required.addEventListener("change", () => (column.nullable = !required.checked));
      const name = element("th", { scope: "row", className: "cells", textContent: column.column_name, title: column.column_name });
      return element("tr", {}, name, element("td", {}, type), element("td", {}, required));
    });
    const head = element("tr", {}, ...["Column", "Type", "Required"].map((text) => element("th", { scope: "col", textContent: text })));
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
    const name = element("input", { name: "template_name", maxLength: 200, value: nameField.value });
    const label = element("label", {}, "Name of the new template", name);
    label.append(element("span", { className: "hint", textContent: "The columns are saved as a template, and the data is checked against it. Clear the name to check nothing." }));
    const warnings = answer.warnings.map((warning) => element("div", { className: "notice warn", textContent: warning.column ? `${warning.column}: ${warning.message}` : warning.message }));
    const title = element("h2", { textContent: `${drafted.length.toLocaleString()} columns, found in ${answer.rows_read.toLocaleString()} rows` });
    draft.replaceChildren(title, ...warnings, element("div", { className: "scroll draft", tabIndex: 0 }, table), label);
    title.tabIndex = -1;
    title.focus();
  }

  async function sendAll() {
    const query = fields("dataset_name", "usage", "template_id", "on_error", "iceberg_table_name", "raw_table_name", ...CSV);
    if (query.some(([name, value]) => name.endsWith("_table_name") && value)) query.push(...fields("lake_mode"));
    const name = form.elements.namedItem("template_name")?.value.trim();
    if (drafted && name) {
      busy(true);
      try {
        const made = await call("POST", "/template", { body: { template_name: name, template_schema: drafted } });
        // When the upload is refused and sent again, the template is there already.
        templateField.append(element("option", { value: made.id, textContent: name, selected: true }));
        drafted = null;
        draft.replaceChildren();
      } catch (error) {
        busy(false);
        return refuse(words(error.body?.detail, error.message), error.body?.detail);
      }
      query.find(([field]) => field === "template_id")[1] = templateField.value;
    }
    post("/dataset/upload", query, (answer) => location.assign(`/datasets/${answer.dataset_id}`));
  }

  picker.addEventListener("change", () => {
    choose([...chosen, ...picker.files]);
    picker.value = "";
  });
  for (const type of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(type, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", type === "dragover");
      if (type === "drop" && !request) choose([...chosen, ...event.dataTransfer.files]);
    });
  }
  cancel.addEventListener("click", () => request?.abort());
  look.addEventListener("click", () => post("/template/infer", fields(...CSV), showDraft));
  templateField.addEventListener("change", () => templateField.value && (draft.replaceChildren(), (drafted = null)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (request || cancel.hidden === false) return;
    if (!chosen.length) return refuse("Choose a file, or drop one here.");
    sendAll();
  });
  window.addEventListener("beforeunload", (event) => request && event.preventDefault());
}
