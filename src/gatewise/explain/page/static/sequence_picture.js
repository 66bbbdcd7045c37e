// The sequence: one cell used again at every step, states passed on, and which outputs the layer returns; and the
// layer: its units side by side.

import { h } from "./nodes.js";
import { inkOf, svg, wire } from "./parts.js";
import { indexOf } from "./cell_picture.js";
import { outputsOf, shapeText } from "./sizes.js";
import { isShown, timeOf, unitOf } from "./state.js";
import { count, decimal, low, say, shown } from "./words.js";

export function sequencePicture(state, { run, settings }, W) {
  const t = timeOf(state, run),
    edge = W < 560 ? 36 : 64,
    room = Math.max(3, Math.floor((W - 2 * edge) / (W < 560 ? 45 : 66)));
  const steps = shown(run.T, room, t),
    pitch = (W - 2 * edge) / steps.length,
    size = Math.min(40, pitch - 14);
  const lanes = settings.bi
    ? [
        { back: false, y: 78 },
        { back: true, y: 140 },
      ]
    : [{ back: run.cell.backwards, y: 78 }];
  const lowest = lanes[lanes.length - 1].y + size / 2,
    height = lowest + 62;
  const middle = (place) => edge + (place + 0.5) * pitch;
  const outputs = outputsOf(settings),
    lastOf = (back) => (back ? 0 : run.T - 1);
  const everywhere = settings.seq;
  const label = say("sequence_label", {
    steps: run.T,
    shape: outputs.map((output) => shapeText(output.shape)).join(", "),
  });
  return svg(
    W,
    height,
    label,
    0,
    steps.map((step, place) =>
      step === null
        ? h("text", { class: "gap", x: middle(place), y: lanes[0].y + 5, "text-anchor": "middle" }, "⋯")
        : stepColumn({
            run,
            t,
            step,
            x: middle(place),
            size,
            lanes,
            lowest,
            returned: everywhere || lanes.some((lane) => lastOf(lane.back) === step),
            settings,
            lastOf,
          }),
    ),
    lanes.map((lane) => lanePassing({ run, t, steps, middle, size, lane, settings, edge, W })),
  );
}

function stepColumn({ run, t, step, x, size, lanes, lowest, returned, settings, lastOf }) {
  const current = step === t,
    half = size / 2,
    masked = run.isMasked(step);
  return h(
    "g",
    {
      class: `step${current ? " chosen" : ""}${run.isKnown(step) ? "" : " waiting"}${masked ? " masked" : ""}`,
      "data-step": step,
    },
    h("rect", { class: "touch", x: x - half - 6, y: 8, width: size + 12, height: lowest + 46 }),
    returned
      ? wire(
          [
            [x, lanes[0].y - half],
            [x, 34],
          ],
          { live: current },
        )
      : null,
    returned ? h("text", { class: "name", x, y: 24, "text-anchor": "middle" }, `y${low(step + 1)}`) : null,
    lanes.length > 1 && (settings.seq || lastOf(true) === step)
      ? wire(
          [
            [x + half - 7, lanes[1].y - half],
            [x + half - 7, lanes[0].y + half + 2],
          ],
          { arrow: false, dashed: true },
        )
      : null,
    lanes.map((lane) =>
      h("rect", {
        class: `cell-box${lane.back ? " back" : ""}`,
        x: x - half,
        y: lane.y - half,
        width: size,
        height: size,
        rx: 7,
      }),
    ),
    lanes.map((lane) =>
      h("text", { class: "inside", x, y: lane.y + 4, "text-anchor": "middle" }, masked ? "–" : step + 1),
    ),
    wire(
      [
        [x, lowest + 24],
        [x, lowest + 2],
      ],
      { live: current },
    ),
    h("text", { class: "name", x, y: lowest + 40, "text-anchor": "middle" }, `x${low(step + 1)}`),
  );
}

// The states on their way from step to step, and out at the end where return_state says so.
function lanePassing({ run, steps, middle, size, lane, settings, edge, W, t }) {
  const half = size / 2,
    parts = [],
    y = lane.y;
  const names = settings.kind === "LSTM" ? "h C" : "h";
  for (let k = 0; k + 1 < steps.length; k += 1) {
    const from = middle(k) + half + (steps[k] === null ? -half + 10 : 1),
      to = middle(k + 1) - half - (steps[k + 1] === null ? -half + 10 : 1);
    const live = steps[lane.back ? k : k + 1] === t;
    parts.push(
      wire(
        lane.back
          ? [
              [to, y],
              [from, y],
            ]
          : [
              [from, y],
              [to, y],
            ],
        { live },
      ),
    );
  }
  const begin = lane.back ? W - edge + 6 : edge - 6,
    end = lane.back ? edge - 6 : W - edge + 6,
    way = lane.back ? -1 : 1;
  const first = middle(lane.back ? steps.length - 1 : 0),
    last = middle(lane.back ? 0 : steps.length - 1);
  parts.push(
    wire(
      [
        [begin - way * 6, y],
        [first - way * (half + 1), y],
      ],
      { dashed: true },
    ),
  );
  parts.push(
    h("text", { class: "small", x: begin - way * 8, y: y + 4, "text-anchor": lane.back ? "start" : "end" }, "0"),
  );
  if (settings.state) {
    parts.push(
      wire(
        [
          [last + way * (half + 1), y],
          [end, y],
        ],
        { live: false },
      ),
    );
    parts.push(
      h("text", { class: "name", x: end + way * 4, y: y + 4, "text-anchor": lane.back ? "end" : "start" }, names),
    );
  }
  return h("g", null, parts);
}

// --- the layer: units side by side ---------------------------------------------------------------------------------

export function layerPicture(state, { run, settings }, W) {
  const { cell } = run,
    t = timeOf(state, run),
    chosen = unitOf(state, run),
    narrow = W < 560;
  const pitch = narrow ? 52 : 66,
    edge = narrow ? 8 : 14,
    units = shown(cell.H, Math.max(3, Math.floor((W - 2 * edge) / pitch)), chosen);
  const width = Math.min(pitch, (W - 2 * edge) / units.length),
    from = (W - width * units.length) / 2,
    bus = 128;
  const x = (place) => from + (place + 0.5) * width;
  const gates = run.cell.kind === "LSTM" ? ["f", "i", "g", "o"] : run.cell.kind === "GRU" ? ["z", "r", "g"] : ["h"];
  const label = say("layer_label", { units: cell.H, features: cell.F, outputs: cell.P });
  return svg(
    W,
    168,
    label,
    0,
    wire(
      [
        [x(0), bus],
        [x(units.length - 1), bus],
      ],
      { arrow: false },
    ),
    h(
      "text",
      { class: "name", x: W / 2, y: 160, "text-anchor": "middle" },
      say("layer_entering", {
        x: `x${low(t + 1)}`,
        features: count(cell.F),
        h: `h${indexOf(run, run.before(t))}`,
        outputs: count(cell.P),
      }),
    ),
    wire(
      [
        [W / 2, 146],
        [W / 2, bus],
      ],
      { arrow: false },
    ),
    units.map((j, place) =>
      j === null
        ? h("text", { class: "gap", x: x(place), y: 72, "text-anchor": "middle" }, "⋯")
        : unitBox({ state, run, t, j, gates, chosen, x: x(place), size: Math.min(52, width - 8), bus }),
    ),
  );
}

function unitBox({ state, run, t, j, gates, chosen, x, size, bus }) {
  const half = size / 2,
    top = 42,
    side = (size - 12) / gates.length;
  const out = run.cell.projection ? (run.cell.kind === "LSTM" ? "c" : "h") : "h";
  const known = isShown(state, run, out, t);
  return h(
    "g",
    { class: `unit${j === chosen ? " chosen" : ""}`, "data-unit": j },
    h("rect", { class: "body", x: x - half, y: top, width: size, height: 62, rx: 8 }),
    h("text", { class: "inside", x, y: top + 19, "text-anchor": "middle" }, j + 1),
    gates.map((name, k) =>
      h(
        "g",
        { class: inkOf(name), "data-sum": `${name},${t},${j}` },
        h("rect", { class: "track", x: x - half + 6 + k * side + 1, y: top + 27, width: side - 2, height: 28, rx: 2 }),
        isShown(state, run, name, t)
          ? level(run.value(name, t, j), x - half + 6 + k * side + 1, top + 27, side - 2)
          : null,
      ),
    ),
    wire(
      [
        [x, bus],
        [x, top + 63],
      ],
      { live: state.phase === 0 },
    ),
    wire([
      [x, top],
      [x, 26],
    ]),
    h(
      "text",
      { class: "name", x, y: 18, "text-anchor": "middle", "data-sum": `${out},${t},${j}` },
      known ? decimal(run.value(out, t, j)) : "·",
    ),
  );
}

// How far a gate is open: a column as high as its value; of a candidate, its size.
function level(value, x, y, width) {
  const height = 28 * Math.min(1, Math.abs(value));
  return h("rect", { class: "level", x, y: y + 28 - height, width, height: Math.max(0, height), rx: 2 });
}
