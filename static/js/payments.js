// The sum of the ticked invoices while one ticks them; the next page shows it anyway.
(() => {
  "use strict";

  const told = document.getElementById("chosen");
  if (!told) return;
  const boxes = [...document.querySelectorAll("input[type=checkbox][data-cents]")];
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency: told.dataset.currency });
  const look = () => {
    const ticked = boxes.filter((box) => box.checked);
    const cents = ticked.reduce((sum, box) => sum + Number(box.dataset.cents), 0);
    told.textContent = ticked.length ? `${told.dataset.some} ${ticked.length} · ${format.format(cents / 100)}` : told.dataset.none;
  };
  told.hidden = false;
  boxes.forEach((box) => box.addEventListener("change", look));
  look();
})();
