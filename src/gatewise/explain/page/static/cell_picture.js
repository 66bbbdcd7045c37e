// One step of the cell: gates with their numbers, the line of the state, what comes in and what goes on.

import { activationName, functionName, KINDS, sequenceOf } from "./cells.js";
import { h } from "./nodes.js";
import { inkOf, letterOf, numberList, operation, pill, ROW, rowsOf, svg, wire } from "./parts.js";
import { gateArithmetic, gateCount, outUnits } from "./sizes.js";
import { chosenOf, timeOf } from "./state.js";
import { count, decimal, low, say, shown } from "./words.js";

const TEXTURES = {
  i: "url(#rising)",
  r: "url(#rising)",
  f: "url(#falling)",
  z: "url(#falling)",
  g: "url(#dots)",
  o: "url(#level)",
};
const LINE = 34,
  OPS = 92,
  GATES = 148,
  HEAD = 44;

export function cellPicture(state, { run, settings }, W) {
  const t = timeOf(state, run),
    before = run.before(t),
    { cell } = run;
  const narrow = W < 560,
    tiny = W < 380,
    column = tiny ? 47 : narrow ? 52 : 84,
    side = tiny ? 8 : narrow ? 13 : 34;
  const order = KINDS[cell.kind].order,
    n = order.length;
  const left = column + side,
    right = W - column - side - (narrow ? 8 : 12);
  const width = Math.min(150, (right - left - (n - 1) * (tiny ? 5 : narrow ? 7 : n === 3 ? 44 : 16)) / n);
  const gap = n > 1 ? (right - left - n * width) / (n - 1) : 0;
  const rows = rowsOf(state, run, cell.H),
    outRows = rowsOf(state, run, cell.P);
  const foot = narrow ? 0 : 52;
  const bottom = GATES + HEAD + Math.max(rows.length, outRows.length) * ROW + 6 + foot;
  const bus = bottom + 26;
  const live = (name) => state.phase !== null && sequenceOf(cell.kind)[state.phase] === name;
  const boxes = {};
  order.forEach((name, k) => {
    const x = n === 1 ? (left + right - width) / 2 : left + k * (width + gap);
    boxes[name] = { x, middle: x + width / 2, right: x + width, top: GATES, bottom };
  });
  const frame = {
    state,
    run,
    settings,
    t,
    before,
    W,
    column,
    side,
    narrow,
    width,
    rows,
    outRows,
    bottom,
    bus,
    live,
    boxes,
    order,
  };
  const body = { LSTM: lstm, GRU: gru, SimpleRNN: simple }[cell.kind](frame);
  return svg(
    W,
    bus + 66,
    pictureLabel(frame),
    n === 1 ? GATES - 24 : 0,
    entering(frame),
    body,
    order.map((name) => gateBox(frame, name)),
  );
}

function pictureLabel({ run, state, t, order }) {
  const j = Math.min(state.view.unit, run.cell.H - 1);
  const values = order.map((name) => `${letterOf(name)} ${decimal(run.value(name, t, j))}`).join(", ");
  return say("cell_label", { kind: run.cell.kind, step: t + 1, unit: j + 1, values });
}

function gateBox({ state, run, settings, t, width, rows, narrow, live, boxes, bottom }, name) {
  const { x } = boxes[name],
    { cell } = run;
  const on = chosenOf(state, run) === name,
    applied = functionName(activationName(cell, name));
  const tight = width < 34 + 8 * applied.length;
  const P = outUnits(settings);
  const facts = narrow
    ? null
    : h(
        "g",
        { class: "facts" },
        h("text", { x: x + 9, y: bottom - 37 }, "W", sub(name), h("tspan", { dy: -3 }, ` (${cell.F}, ${cell.H})`)),
        h("text", { x: x + 9, y: bottom - 22 }, "U", sub(name), h("tspan", { dy: -3 }, ` (${P}, ${cell.H})`)),
        h(
          "text",
          { x: x + 9, y: bottom - 7, "data-text": gateArithmetic(settings) },
          gateText(gateCount(settings), width),
        ),
      );
  return h(
    "g",
    { class: `gate ${inkOf(name)}${live(name) ? " live" : ""}${on ? " chosen" : ""}`, "data-gate": name },
    h("rect", { class: "body", x, y: GATES, width, height: bottom - GATES, rx: 8 }),
    h("rect", { class: "band", x: x + 1, y: GATES + 1, width: width - 2, height: 7, rx: 3 }),
    h("rect", {
      class: "texture",
      x: x + 1,
      y: GATES + 1,
      width: width - 2,
      height: 7,
      fill: TEXTURES[name] ?? "none",
    }),
    h("text", { class: "letter", x: x + (narrow ? 8 : 10), y: GATES + (tight ? 25 : 29) }, letterOf(name)),
    h(
      "text",
      {
        class: `function${tight ? " tight" : ""}`,
        x: x + width - (narrow ? 6 : 10),
        y: GATES + (tight ? 37 : 28),
        "text-anchor": "end",
      },
      applied,
    ),
    numberList(state, run, {
      name,
      t,
      x: x + (narrow ? 3 : 4),
      y: GATES + HEAD - 4,
      width: width - (narrow ? 6 : 8),
      rows,
    }),
    facts,
  );
}

// "160 numbers", or the number alone where the box is too narrow for it.
function gateText(number, width) {
  const text = say("numbers_count", { n: count(number) });
  return text.length * 7.4 > width - 14 ? count(number) : text;
}

const sub = (name) => h("tspan", { class: "sub", dy: 3 }, name);

// x[t] and h[t-1] come in below, and every gate sees all of both.
function entering({ state, run, t, before, W, column, narrow, outRows, bus, live, boxes, order }) {
  const arriving = live("x"),
    room = Math.max(2, Math.floor((W - column - 20) / (narrow ? 50 : 58)));
  const features = shown(run.cell.F, Math.min(room, 9));
  const step = narrow ? 50 : 58,
    x0 = column;
  const last = boxes[order[order.length - 1]].middle;
  const busWires = order.map((name) =>
    wire(
      [
        [boxes[name].middle, bus],
        [boxes[name].middle, boxes[name].bottom + 1],
      ],
      { live: arriving || live(name) },
    ),
  );
  return h(
    "g",
    null,
    h("text", { class: "name", x: column - 10, y: bus + 41, "text-anchor": "end" }, at("x", t + 1)),
    features.map((k, place) =>
      k === null
        ? h("text", { class: "gap", x: x0 + place * step + step / 2 - 4, y: bus + 41, "text-anchor": "middle" }, "⋯")
        : h(
            "g",
            { class: `number input${arriving ? " live" : ""}`, "data-sum": `x,${t},${k}` },
            h("rect", { class: "cell", x: x0 + place * step, y: bus + 27, width: step - 6, height: 20, rx: 3 }),
            h(
              "text",
              { x: x0 + place * step + step - 11, y: bus + 41, "text-anchor": "end" },
              decimal(run.value("x", t, k)),
            ),
          ),
    ),
    wire(
      [
        [x0 + 22, bus + 26],
        [x0 + 22, bus],
      ],
      { live: arriving, arrow: false },
    ),
    stateList({ state, run, before, column, outRows }, "h", GATES + HEAD - 4, before),
    wire(
      [
        [column / 2, GATES + HEAD + outRows.length * ROW],
        [column / 2, bus],
        [last, bus],
      ],
      { live: arriving, arrow: false },
    ),
    busWires,
  );
}

const at = (name, t) => `${letterOf(name)}${t === 0 ? "₀" : low(t)}`;

// The numbers of a state before the step, at the left edge.
function stateList({ state, run, before, column, outRows, rows }, name, y, t) {
  const list = name === "h" ? outRows : rows;
  const label = `${letterOf(name)}${indexOf(run, before)}`;
  return h(
    "g",
    null,
    h("text", { class: "name", x: 4, y: y - (name === "c" ? 11 : 6) }, label),
    numberList(state, run, { name, t, x: 2, y, width: column - 8, rows: list, showUnits: column > 60 }),
  );
}

// The step that a state belongs to, as an index: 0 before the first step.
export const indexOf = (run, t) => (run.turn(t) < 0 ? "₀" : low(t + 1));

// The numbers of a state after the step, at the right edge.
function leaving({ state, run, t, W, column, outRows, rows }, name, y) {
  const list = name === "h" ? outRows : rows,
    x = W - column + 6;
  return h(
    "g",
    null,
    h("text", { class: "name", x: W - 4, y: y - (name === "c" ? 11 : 6), "text-anchor": "end" }, at(name, t + 1)),
    numberList(state, run, { name, t, x, y, width: column - 8, rows: list, showUnits: column > 60 }),
  );
}

function lstm(frame) {
  const { run, t, before, W, column, live, boxes, state } = frame;
  const { f, i, g, o } = boxes,
    j = Math.min(state.view.unit, run.cell.H - 1),
    sum = `c,${t},${j}`;
  const exit = (o.right + W - column) / 2 + 1,
    list = LINE + 12;
  return h(
    "g",
    null,
    stateList({ ...frame, column }, "c", list, before),
    wire(
      [
        [column * 0.45, LINE - 4],
        [f.middle - 11, LINE - 4],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [f.middle + 11, LINE - 4],
        [g.middle - 11, LINE - 4],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [g.middle + 11, LINE - 4],
        [W - column * 0.45, LINE - 4],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [f.middle, f.top],
        [f.middle, LINE + 7],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [i.middle, i.top],
        [i.middle, OPS],
        [g.middle - 11, OPS],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [g.middle, g.top],
        [g.middle, OPS + 11],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [g.middle, OPS - 11],
        [g.middle, LINE + 7],
      ],
      { live: live("c") },
    ),
    wire(
      [
        [o.middle, LINE - 4],
        [o.middle, OPS - 11],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [o.middle, o.top],
        [o.middle, OPS + 11],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [o.middle + 11, OPS],
        [exit, OPS],
        [exit, GATES + HEAD + 5],
        [W - column + 4, GATES + HEAD + 5],
      ],
      { live: live("h") },
    ),
    operation(f.middle, LINE - 4, "×", live("c"), sum),
    operation(g.middle, LINE - 4, "+", live("c"), sum),
    operation(g.middle, OPS, "×", live("c"), sum),
    operation(o.middle, OPS, "×", live("h"), `h,${t},${Math.min(j, run.cell.P - 1)}`),
    pill(o.middle, 60, functionName(run.cell.activation), live("h")),
    run.cell.projection ? pill(exit - 2, 124, "P", live("h")) : null,
    leaving(frame, "c", list),
    leaving(frame, "h", GATES + HEAD - 4),
  );
}

function gru(frame) {
  const { run, t, W, column, live, boxes, state, narrow } = frame;
  const { z, r, g } = boxes,
    j = Math.min(state.view.unit, run.cell.H - 1),
    sum = `h,${t},${j}`,
    y = LINE - 4;
  const exit = (g.right + W - column) / 2 + 1,
    link = (r.right + g.x) / 2,
    level = GATES + 24;
  return h(
    "g",
    null,
    wire(
      [
        [column / 2, GATES + HEAD - 22],
        [column / 2, y],
        [z.middle - 11, y],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [z.middle + 11, y],
        [g.middle - 11, y],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [g.middle + 11, y],
        [exit, y],
        [exit, GATES + HEAD + 5],
        [W - column + 4, GATES + HEAD + 5],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [z.middle, z.top],
        [z.middle, y + 11],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [z.middle, OPS],
        [g.middle - 11, OPS],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [g.middle, g.top],
        [g.middle, OPS + 11],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [g.middle, OPS - 11],
        [g.middle, y + 11],
      ],
      { live: live("h") },
    ),
    wire(
      [
        [r.right, level],
        [g.x, level],
      ],
      { live: live("g") },
    ),
    operation(z.middle, y, "×", live("h"), sum),
    operation(g.middle, y, "+", live("h"), sum),
    operation(g.middle, OPS, "×", live("h"), sum),
    narrow ? null : operation(link, level, "×", live("g"), `g,${t},${j}`),
    pill((z.middle + g.middle) / 2, OPS, "1 − z", live("h")),
    leaving(frame, "h", GATES + HEAD - 4),
  );
}

function simple(frame) {
  const { W, column, live, boxes } = frame,
    { h: box } = boxes,
    level = GATES + HEAD + 5;
  return h(
    "g",
    null,
    wire(
      [
        [box.right, level],
        [W - column + 4, level],
      ],
      { live: live("h") },
    ),
    leaving(frame, "h", GATES + HEAD - 4),
  );
}
