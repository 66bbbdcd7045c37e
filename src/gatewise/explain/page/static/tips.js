// What appears at a number that is pointed at, focused or touched: the sum that made it.

import { h, patch } from "./nodes.js";
import { pointedAt } from "./maps.js";
import { sumTip } from "./sums.js";
import { letterOf } from "./parts.js";
import { decimal, low, say } from "./words.js";

export function tips(sideOf) {
  const box = document.getElementById("tip");
  let focused = false; // a tip at what the keyboard is on stays while the page scrolls to it
  const hide = () => {
    box.hidden = true;
    focused = false;
  };

  function show(content, x, y) {
    patch(box, content);
    box.hidden = false;
    const width = box.offsetWidth,
      height = box.offsetHeight,
      margin = 12;
    const left = Math.max(margin, Math.min(x + 14, innerWidth - width - margin));
    const above = y + 18 + height > innerHeight - margin;
    box.style.left = `${left}px`;
    box.style.top = `${Math.max(margin, above ? y - height - 14 : y + 18)}px`;
  }

  function contentOf(target, event) {
    const counted = target.closest?.("[data-text]");
    if (counted) return [h("p", { class: "tip-title" }, counted.dataset.text)];
    const marked = target.closest?.("[data-sum]");
    if (marked) {
      const [name, t, unit] = marked.dataset.sum.split(",");
      const { run } = sideOf(marked);
      return Number(unit) < run.size(name) ? sumTip(run, name, Number(t), Number(unit)) : null;
    }
    if (target.tagName !== "CANVAS" || !event) return null;
    const shown = sideOf(target),
      place = pointedAt(target, event, shown);
    if (!place) return null;
    if (place.matrix) return weightTip(place);
    return shown.run.isKnown(place.t) ? sumTip(shown.run, place.name, place.t, place.unit) : null;
  }

  function weightTip(place) {
    const where = [place.from, place.gate ? `${letterOf(place.gate)}${low(place.unit)}` : ""]
      .filter(Boolean)
      .join(" → ");
    return [
      h("p", { class: "tip-title" }, h("b", null, where || place.matrix), h("span", null, decimal(place.weight, 4))),
      h("p", { class: "quiet" }, say("weight_place", { name: place.matrix, row: place.row, column: place.column })),
    ];
  }

  document.addEventListener("pointermove", (event) => {
    const content = contentOf(event.target, event);
    if (content) show(content, event.clientX, event.clientY);
    else if (event.pointerType === "mouse") hide();
  });
  document.addEventListener("pointerdown", (event) => {
    const content = event.pointerType === "mouse" ? null : contentOf(event.target, event);
    if (content) show(content, event.clientX, event.clientY);
    else hide();
  });
  document.addEventListener("focusin", (event) => {
    const content = event.target.matches?.("[data-sum]:focus-visible") ? contentOf(event.target, null) : null;
    if (!content) return hide();
    const place = event.target.getBoundingClientRect();
    show(content, place.left, place.bottom);
    focused = true;
  });
  document.addEventListener("focusout", hide);
  document.addEventListener(
    "scroll",
    () => {
      if (!focused) hide();
    },
    { passive: true, capture: true },
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
}
