// The review desk: single keys, the focus after a swap, and the place in the queue. Without this file every link and button
// still works; the keys only press them.
(() => {
  "use strict";

  const desk = () => document.getElementById("desk");
  const part = (selector) => desk()?.querySelector(selector) ?? null;
  const isTyping = (element) => element.closest("input, select, textarea, [contenteditable]") !== null;
  const isPressable = (element) => element.closest("a, button, summary") !== null;

  const row = (step) => {
    const rows = [...(desk()?.querySelectorAll(".bf-queue-row") ?? [])];
    const at = rows.findIndex((one) => one.hasAttribute("aria-current"));
    rows[Math.min(Math.max(at + step, 0), rows.length - 1)]?.click();
  };

  // A candidate that is only possible, or folded, is shown first: assigning it takes a second press.
  const assign = (number, isAsking) => {
    const form = part(`form[data-candidate="${number}"]`);
    const button = form?.querySelector("button[type=submit]");
    if (!button || button.disabled) return;
    const fold = form.closest("details");
    if ((fold && !fold.open) || (isAsking && form.dataset.grade === "possible")) {
      if (fold) fold.open = true;
      button.focus();
    } else {
      form.requestSubmit(button);
    }
  };

  const unfold = (selector) => {
    const fold = part(selector);
    if (!fold) return;
    fold.open = !fold.open;
    (fold.open ? fold.querySelector("select") ?? fold.querySelector("summary") : fold.querySelector("summary")).focus();
  };

  const keys = {
    j: () => row(1),
    k: () => row(-1),
    ArrowDown: () => row(1),
    ArrowUp: () => row(-1),
    Enter: () => assign(1, true),
    n: () => unfold("#set-aside"),
    s: () => unfold("#put-off"),
    a: () => unfold("#ask"),
    p: () => part("[data-key=p]")?.click(),
    "/": () => (part("#search-query") ? part("#search-query").focus() : part("#search-all")?.click()),
    u: () => part("#undo button")?.click(),
    "?": () => unfold("#keys"),
  };

  document.addEventListener("keydown", (event) => {
    if (!desk() || !("shortcuts" in desk().dataset) || document.querySelector("dialog[open]")) return;
    if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing || event.repeat || isTyping(event.target)) return;
    // a desk that has just come is not ready yet, and nobody has seen it: a second press meant the one before
    if (desk().classList.contains("htmx-added")) return event.preventDefault();
    // Enter belongs to the link or button that has the focus, the arrows to whatever scrolls
    if (event.key === "Enter" && isPressable(event.target)) return;
    if (event.key.startsWith("Arrow") && !event.target.closest(".bf-queue") && event.target !== document.body) return;
    const press = /^[1-9]$/.test(event.key) ? () => assign(Number(event.key), false) : keys[event.key];
    if (!press) return;
    event.preventDefault();
    press();
  });

  // The second half of a double click meant the first: by then another receipt may lie under it, which nobody has seen.
  document.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.closest("#desk form[method=post] button")) event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const fold = document.activeElement?.closest("#keys[open], #views[open], #ask[open], #put-off[open], #set-aside[open]");
    if (!fold) return;
    fold.open = false;
    fold.querySelector("summary").focus();
  });

  // An answer may be shown elsewhere (a conflict, among the notices): the desk is whole again all the same.
  document.addEventListener("htmx:afterRequest", () => desk()?.removeAttribute("aria-busy"));

  // What was done stands in the line of undo for good; the notice above the queue may go.
  document.addEventListener("notice", () => {
    const shown = document.querySelector("#notices > :last-child");
    setTimeout(() => shown?.remove(), 10_000);
  });

  // The whole desk is swapped: what the person was looking at stays where it was.
  const showRow = () => part(".bf-queue-row[aria-current]")?.scrollIntoView({ block: "nearest" });
  let scrolled = 0;
  showRow();
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id === "desk") scrolled = part(".bf-queue")?.scrollTop ?? 0;
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt?.id !== "desk") return;
    const queue = part(".bf-queue");
    if (queue) queue.scrollTop = scrolled;
    showRow();
    const { requestConfig } = event.detail;
    if (requestConfig?.verb === "post") history.replaceState(history.state, "", desk().dataset.address);
    if (["desk-filters", "search-form"].includes(requestConfig?.elt?.id)) return; // the field that was changed keeps the focus
    if (requestConfig?.elt?.id === "search-all") return part("#search-query")?.focus();
    const heading = part("#receipt-title") ?? part("#queue-title");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  });
})();
