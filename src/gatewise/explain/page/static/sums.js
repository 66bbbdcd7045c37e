// A number and the sum that made it, in full (the panel) or in short (what appears at a hovered number).

import { functionName, madeOf, product } from "./cells.js";
import { h } from "./nodes.js";
import { inkOf, letterOf } from "./parts.js";
import { indexOf } from "./cell_picture.js";
import { decimal, low, say, shown } from "./words.js";

const DIGITS = 4;
const value = (number, digits = DIGITS) => decimal(number, digits);
const unitText = (name, j) => `${letterOf(name)}${low(j + 1)}`;

// What a term multiplies, in symbols.
export function termLabel(run, made, term) {
  const t = made.step,
    was = indexOf(run, run.before(t));
  const j = low(made.unit + 1),
    k = low(term.k + 1);
  return {
    x: () => `x${k} · W${k}`,
    h: () => `h${k} · U${k}`,
    rh: () => `r${k}h${k} · U${k}`,
    b: () => (term.k ? "b′" : "b"),
    rq: () => `r${j} · q${j}`,
    fc: () => `f · C${was}`,
    ig: () => "i · g",
    zh: () => `z · h${was}`,
    zg: () => "(1 − z) · g",
    oc: () => `o · ${functionName(run.cell.activation)}(C)`,
    m: () => `m${k} · P${k}`,
  }[term.kind]();
}

// The terms as rows; those left out in the middle are one row with their sum.
function termRows(run, made, terms, room, reached) {
  const places = shown(terms.length, room);
  const rows = [];
  for (const [at, place] of places.entries()) {
    const waiting = reached !== null && (place ?? places[at - 1] + 1) >= reached ? " waiting" : "";
    if (place === null) {
      const from = places[at - 1] + 1,
        to = places[at + 1],
        rest = terms.slice(from, to);
      rows.push(
        h(
          "tr",
          { class: `rest${waiting}` },
          h("td", null, "⋯"),
          h("td", { colspan: 3 }, say("more_terms", { n: rest.length })),
          h("td", null, value(rest.reduce((sum, term) => sum + product(term), 0))),
        ),
      );
    } else rows.push(termRow(run, made, terms[place], waiting, reached === place + 1));
  }
  return rows;
}

function termRow(run, made, term, waiting, now) {
  const kind = term.kind === "rh" || term.kind === "rq" ? "h" : term.kind;
  return h(
    "tr",
    { class: `term term-${kind}${waiting}${now ? " now" : ""}` },
    h("th", { scope: "row" }, termLabel(run, made, term)),
    term.b === undefined
      ? h("td", { colspan: 3 })
      : [h("td", null, value(term.a)), h("td", { class: "sign" }, "×"), h("td", null, value(term.b))],
    h("td", null, value(product(term))),
  );
}

// The whole sum as a table. reached: how many terms are added so far, null for all.
export function sumTable(run, name, j, t, { room = 14, reached = null } = {}) {
  const made = madeOf(run, name, j, t);
  if (!made) return h("p", { class: "quiet" }, say("no_sum"));
  if (made.masked) return h("p", { class: "quiet" }, say("masked_step"));
  const sub = made.inner ? Math.max(5, Math.floor(room / 2)) : room;
  return h(
    "table",
    { class: `sum ${inkOf(name)}` },
    h("caption", { class: "unseen" }, say("sum_caption", { name: unitText(name, j), step: t + 1 })),
    h(
      "thead",
      { class: "unseen" },
      h(
        "tr",
        null,
        ["sum_term", "sum_value", "sum_times", "sum_weight", "sum_product"].map((key) =>
          h("th", { scope: "col" }, say(key)),
        ),
      ),
    ),
    made.inner
      ? h(
          "tbody",
          { class: "inner" },
          termRows(run, made, made.inner.terms, sub, null),
          h(
            "tr",
            { class: "total" },
            h("th", { scope: "row", colspan: 4 }, `q${low(j + 1)}`),
            h("td", null, value(made.inner.sum)),
          ),
        )
      : null,
    h("tbody", null, termRows(run, made, made.terms, sub, reached)),
    h(
      "tbody",
      { class: `result${reached !== null && reached < made.terms.length ? " waiting" : ""}` },
      resultRows(made, j),
    ),
  );
}

function resultRows(made, j) {
  const title = unitText(made.name, j);
  if (!made.fn)
    return h(
      "tr",
      { class: "total final" },
      h("th", { scope: "row", colspan: 4 }, title),
      h("td", null, value(made.value)),
    );
  return [
    h(
      "tr",
      { class: "total" },
      h("th", { scope: "row", colspan: 4 }, say("sum_of_terms")),
      h("td", null, value(made.sum)),
    ),
    h(
      "tr",
      { class: "total final" },
      h("th", { scope: "row", colspan: 4 }, `${title} = ${functionName(made.fn)}(${value(made.sum)})`),
      h("td", null, value(made.value)),
    ),
  ];
}

// The short form at a hovered number.
export function sumTip(run, name, t, j) {
  const title = `${unitText(name, j)} · ${say("step_n", { n: t + 1 })}`;
  const heading = (number) =>
    h("p", { class: `tip-title ${inkOf(name)}` }, h("b", null, title), h("span", null, value(number)));
  if (t < 0 || t >= run.T) return [heading(run.value(name, t, j)), h("p", { class: "quiet" }, say("initial_state"))];
  if (name === "x") return [heading(run.value("x", t, j)), h("p", { class: "quiet" }, say("from_data"))];
  return [heading(run.value(name, t, j)), sumTable(run, name, j, t, { room: 7 })];
}
