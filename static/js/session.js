// Warns before the session ends (WCAG 2.2.1). The server decides when that is; other tabs may have prolonged it, so it is asked
// before anything is said. Without this file the session ends all the same, and whoever signs in again comes back to the page.
(() => {
  "use strict";

  const EARLY = 5 * 60; // seconds before the end from which there is a warning
  const AGAIN = 60; // seconds until the server is asked once more after it could not be reached; and that writing counts
  const dialog = document.getElementById("session-end");
  if (!dialog) return;

  const form = dialog.querySelector("form");
  const left = { idle: Number(dialog.dataset.idle), whole: Number(dialog.dataset.whole) };
  const at = (seconds) => Date.now() + seconds * 1000;
  const ends = { idle: at(left.idle), whole: at(left.whole) };
  let timer = 0;
  let shown = "";
  let typedAt = 0;
  let isWarned = false; // of the end that nobody can put off: once is enough

  const seconds = (end) => (end - Date.now()) / 1000;
  const wait = (time) => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(1, time) * 1000);
  };
  const close = () => {
    shown = "";
    if (dialog.open) dialog.close();
  };

  const show = (why) => {
    if (shown === why) return;
    shown = why;
    for (const part of dialog.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(why);
    for (const time of dialog.querySelectorAll("time")) {
      time.textContent = new Date(ends[why] ?? 0).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
    }
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(".bf-actions > :not([hidden], input)").focus();
  };

  // Forms of this page go on to work under a session that began in another tab.
  const takeToken = (token) => {
    for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = token;
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
  };

  const look = () => {
    if (seconds(ends.whole) <= EARLY && !(isWarned && shown !== "whole")) {
      isWarned = true;
      show("whole");
    } else if (seconds(ends.idle) <= EARLY && ends.idle < ends.whole) {
      if (Date.now() - typedAt < AGAIN * 1000) return stay(); // whoever writes is there
      show("idle");
    } else close();
    const next = Math.min(...[ends.idle, ends.whole].map(seconds).map((time) => (time > EARLY ? time - EARLY : time + 1)));
    wait(next);
  };

  const call = async (address, options = {}) => {
    let answer;
    try {
      answer = await fetch(address, { redirect: "manual", headers: { Accept: "application/json" }, ...options });
    } catch {
      wait(AGAIN);
      return;
    }
    if (answer.ok) {
      const told = await answer.json();
      if (told.who !== dialog.dataset.who) return show("ended");
      [ends.idle, ends.whole] = [at(told.idle), at(told.whole)];
      takeToken(told.token);
      look();
    } else if (answer.type === "opaqueredirect" || answer.status === 400 || answer.status === 401) {
      clearTimeout(timer);
      show("ended");
    } else wait(AGAIN);
  };
  const ask = () => call(dialog.dataset.look);
  const stay = () => call(form.action, { method: "POST", body: new FormData(form) });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    stay();
  });
  document.addEventListener("input", () => { typedAt = Date.now(); });
  dialog.querySelector("[data-close]").addEventListener("click", close);
  dialog.addEventListener("cancel", (event) => {
    if (shown !== "idle") return close();
    event.preventDefault(); // Escape means: I am here
    form.requestSubmit();
  });

  // Whatever htmx asks for is a sign of life. It is noted once a minute, so it is worth that much less.
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.successful || shown) return;
    ends.idle = Math.max(ends.idle, Math.min(at(Number(dialog.dataset.again)), ends.whole));
    look();
  });
  // A tab that was asleep, or comes to the front again: another one may have prolonged the session, ended it, or begun a new one.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && (shown || seconds(Math.min(ends.idle, ends.whole)) <= EARLY)) ask();
  });

  look();
})();
