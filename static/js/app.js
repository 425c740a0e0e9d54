// Small helps for every page. Everything works without this file; nothing here decides anything.
(() => {
  "use strict";

  const notices = () => document.getElementById("notices");

  // A sentence for the status region, built as text: what the server sends is never read as markup.
  const tell = (texts, isTrouble = false) => {
    const lines = texts.map((text) => {
      const line = document.createElement("p");
      line.className = isTrouble ? "bf-notice bf-notice-trouble" : "bf-notice";
      line.append(Object.assign(document.createElement("span"), { textContent: text }));
      return line;
    });
    notices()?.replaceChildren(...lines);
  };
  const tellUnreachable = () => tell([document.body.dataset.unreachable], true);

  // The server's notices ride in the HX-Trigger header of a fragment.
  document.addEventListener("notice", (event) => tell(event.detail.texts));
  document.addEventListener("htmx:sendError", tellUnreachable);
  document.addEventListener("htmx:timeout", tellUnreachable);

  // Assistive technology waits until a part is whole again.
  document.addEventListener("htmx:beforeRequest", (event) => event.detail.target?.setAttribute("aria-busy", "true"));
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target?.removeAttribute("aria-busy"));

  // After a swap the focus goes where the fragment asks for it, never back to the top of the page.
  document.addEventListener("htmx:afterSwap", (event) => {
    const asked = event.detail.target?.querySelector("[data-focus], [autofocus]");
    if (asked) asked.focus();
  });

  // A button that is disabled while its request runs, or swapped away, loses the focus: whoever pressed it goes on there, else
  // at the heading of what came instead.
  const pressed = new WeakMap();
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    if (detail.elt.contains(document.activeElement)) pressed.set(detail.xhr, document.activeElement);
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const button = pressed.get(detail.xhr);
    if (!button || document.activeElement !== document.body) return;
    const part = document.getElementById(detail.target.id);
    (button.isConnected ? button : part?.querySelector(":is(h1, h2, h3)[tabindex]"))?.focus({ preventScroll: true });
  });

  // Copy buttons appear only where they can work.
  const copyButtons = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    tell([document.body.dataset.copied]);
  });

  // One box for all of a table's boxes.
  for (const all of document.querySelectorAll("[data-all]")) {
    const boxes = [...document.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`)];
    const look = () => { all.checked = boxes.every((box) => box.checked); };
    all.hidden = boxes.length < 2;
    look();
    all.addEventListener("change", () => boxes.forEach((box) => { box.checked = all.checked; }));
    boxes.forEach((box) => box.addEventListener("change", look));
  }

  // What opens over the page (the bar's menu, a row's choices) closes on Escape and on a click beside it.
  const menu = () => document.querySelector(":is(.bf-menu, .bf-row-choice)[open]");
  document.addEventListener("click", (event) => {
    if (menu() && !menu().contains(event.target)) menu().open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu()) return;
    const open = menu();
    open.open = false;
    open.querySelector("summary").focus();
  });

  // Without this file people print with their browser's own menu.
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // A list of errors is read first.
  copyButtons(document);
  document.querySelector(".bf-errors")?.focus();
  document.addEventListener("htmx:load", (event) => copyButtons(event.detail.elt));
})();
