// Heat maps: the values of every gate and state over the sequence, and the weights to scale.

import { KINDS } from "./cells.js";
import { h } from "./nodes.js";
import { inkOf, isDark, letterOf, paint } from "./parts.js";
import { isShown, timeOf, unitOf } from "./state.js";
import { matricesOf, shapeText } from "./sizes.js";
import { count, decimal, low, say } from "./words.js";

export const variablesOf = (run) => ["input", ...KINDS[run.cell.kind].order, ...KINDS[run.cell.kind].states];

const SIGNED = new Set(["input", "g", "c", "h"]);
const nameOf = (name) => (name === "input" ? "x" : name);

export function heatMaps(state, shownSide, side) {
  const { run } = shownSide,
    t = timeOf(state, run);
  return h(
    "div",
    {
      class: "maps",
      role: "group",
      tabindex: 0,
      "data-maps": side,
      "aria-label": say("maps_label", { steps: run.T, step: t + 1 }),
    },
    variablesOf(run).map((name) => heatMap(state, run, name, t, side)),
    axis(run, t),
  );
}

function heatMap(state, run, name, t, side) {
  const size = run.size(name),
    plain = nameOf(name),
    height = Math.max(14, Math.min(72, size * 8));
  const bounded = !SIGNED.has(name) || (name === "g" && run.cell.activation === "tanh" && run.cell.plain);
  const scale = bounded ? 1 : largest(run, name);
  const part = state.phase === null ? "" : `${state.phase}/${t}`;
  const key = `${run.cell.kind}/${size}/${run.T}/${run.done}/${isDark()}/${part}`;
  const unit = name === "input" ? -1 : Math.min(unitOf(state, run), size - 1);
  const draw = (canvas) => {
    if (canvas.drawn === key && canvas.run === run) return;
    Object.assign(canvas, { drawn: key, run });
    const values = run.values[name],
      known = Array.from({ length: run.T }, (_, step) => isShown(state, run, plain, step));
    paint(canvas, size, run.T, scale, (j, step) => (known[step] ? values[step * size + j] : undefined));
  };
  return h(
    "div",
    { class: `map ${inkOf(plain)}` },
    h("span", { class: "map-name", "aria-hidden": "true" }, letterOf(plain)),
    h(
      "div",
      { class: "map-frame", style: { height: `${height}px` } },
      h("canvas", {
        "data-map": `${side},${name}`,
        role: "img",
        own: true,
        after: draw,
        "aria-label": say("map_label", {
          name: letterOf(plain),
          units: size,
          steps: run.T,
          value: decimal(run.value(plain, t, Math.max(0, unit))),
        }),
      }),
      h("span", { class: "marker", style: { left: `${(100 * t) / run.T}%`, width: `${100 / run.T}%` } }),
      unit >= 0 && size > 1
        ? h("span", { class: "unit-marker", style: { top: `${(100 * (unit + 0.5)) / size}%` } })
        : null,
    ),
    h(
      "span",
      { class: "map-scale", "aria-hidden": "true" },
      SIGNED.has(name) ? `±${decimal(scale, scale < 1 ? 2 : 1)}` : "0 … 1",
    ),
  );
}

function axis(run, t) {
  const ends = [0, run.T - 1].filter((step) => Math.abs(step - t) > run.T * 0.06);
  return h(
    "div",
    { class: "map axis", "aria-hidden": "true" },
    h("span", { class: "map-name" }, "t"),
    h(
      "div",
      { class: "map-frame" },
      [...ends, t].map((step) =>
        h(
          "span",
          { class: `tick${step === t ? " chosen" : ""}`, style: { left: `${(100 * (step + 0.5)) / run.T}%` } },
          step + 1,
        ),
      ),
    ),
    h("span", { class: "map-scale" }),
  );
}

const largestKept = new WeakMap();
function largest(run, name) {
  const kept = largestKept.get(run) ?? {};
  if (kept[name]?.done !== run.done) {
    let most = 0;
    for (const value of run.values[name].subarray(0))
      if (Math.abs(value) > most && Number.isFinite(value)) most = Math.abs(value);
    kept[name] = { done: run.done, most: Math.max(most, 1e-6) };
    largestKept.set(run, kept);
  }
  return kept[name].most;
}

// --- weights --------------------------------------------------------------------------------------------------------

const SCALES = new WeakMap();
function scaleOf(weights) {
  if (!SCALES.has(weights)) {
    let sum = 0;
    for (const value of weights) sum += value * value;
    SCALES.set(weights, Math.max(1e-6, 2.2 * Math.sqrt(sum / weights.length)));
  }
  return SCALES.get(weights);
}

const GATED = new Set(["kernel", "recurrent_kernel", "bias"]);
export const weightsOf = (cell, name) =>
  ({ kernel: cell.W, recurrent_kernel: cell.U, bias: cell.b, projection_kernel: cell.projection, ...cell.others })[
    name
  ];

export function matrices(state, { run, settings, layer }, W, side) {
  const rows = matricesOf(settings, layer),
    { cell } = run,
    GH = rows[0].shape[1],
    columns = gatesWithin(cell, GH);
  const label = W < 560 ? 0 : 150;
  const high = rows.reduce((sum, row) => sum + (row.shape.length > 1 ? row.shape[0] : 1), 0);
  const scale = Math.min((W - label - 4) / GH, 330 / high, 18);
  return h(
    "div",
    { class: label ? "matrices" : "matrices narrow" },
    h(
      "div",
      { class: "matrix" },
      label ? h("span", { class: "matrix-name" }) : null,
      h(
        "div",
        { class: "bands", style: { width: `${GH * scale}px` }, "aria-hidden": "true" },
        columns.map((name) => h("span", { class: `band ${inkOf(name)}` }, letterOf(name))),
      ),
    ),
    rows.map((row) => matrix(cell, row, scale, label, side)),
  );
}

// The gates whose columns stand in an array; with coupled gates an LSTM has no columns for f.
function gatesWithin(cell, width) {
  const { columns } = KINDS[cell.kind];
  return width === columns.length * cell.H ? columns : columns.filter((name) => name !== "f").slice(0, width / cell.H);
}

function matrix(cell, row, scale, label, side) {
  const weights = weightsOf(cell, row.name),
    [height, width] = row.shape.length > 1 ? row.shape : [1, row.shape[0]];
  const draw = (canvas) => {
    const key = `${height}/${width}/${isDark()}`;
    if (canvas.drawn === key && canvas.weights === weights) return;
    Object.assign(canvas, { drawn: key, weights });
    if (weights) paint(canvas, height, width, scaleOf(weights), (r, c) => weights[r * width + c]);
  };
  const G = width / cell.H,
    gated = GATED.has(row.name) && G > 1;
  return h(
    "div",
    { class: "matrix" },
    h(
      "span",
      { class: "matrix-name" },
      h("b", null, row.letter),
      ` ${shapeText(row.shape)}`,
      h("small", null, ` ${row.name}`),
    ),
    weights
      ? h(
          "div",
          { class: "matrix-frame", style: { width: `${width * scale}px`, height: `${Math.max(3, height * scale)}px` } },
          h("canvas", {
            "data-matrix": `${side},${row.name}`,
            role: "img",
            own: true,
            after: draw,
            "aria-label": say("matrix_label", { name: row.name, shape: shapeText(row.shape), n: count(row.count) }),
          }),
          gated
            ? Array.from({ length: G - 1 }, (_, k) =>
                h("span", { class: "cut", style: { left: `${(100 * (k + 1)) / G}%` } }),
              )
            : null,
        )
      : h("span", { class: "quiet" }, say("weights_absent")),
  );
}

// What stands at a place of a canvas: {text} for a weight, {sum: "f,3,1"} for a value.
export function pointedAt(canvas, event, shownSide) {
  const box = canvas.getBoundingClientRect();
  const column = Math.floor(((event.clientX - box.left) / box.width) * canvas.columns);
  const row = Math.floor(((event.clientY - box.top) / box.height) * canvas.rows);
  if (column < 0 || row < 0 || !(column < canvas.columns && row < canvas.rows)) return null;
  if (canvas.dataset.map) return { name: nameOf(canvas.dataset.map.split(",")[1]), t: column, unit: row };
  const [, name] = canvas.dataset.matrix.split(","),
    { cell } = shownSide.run,
    weights = weightsOf(cell, name);
  const gate = GATED.has(name) ? gatesWithin(cell, canvas.columns)[Math.floor(column / cell.H)] : "";
  const from = name === "kernel" ? `x${low(row + 1)}` : name === "recurrent_kernel" ? `h${low(row + 1)}` : "";
  return {
    weight: weights[row * canvas.columns + column],
    matrix: name,
    row,
    column,
    gate,
    unit: (column % cell.H) + 1,
    from,
  };
}
