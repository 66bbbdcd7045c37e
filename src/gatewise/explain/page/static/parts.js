// Pieces that all pictures share: wires, operations, lists of numbers, colours of numbers.

import { KINDS } from "./cells.js";
import { h, part } from "./nodes.js";
import { decimal, low, shown } from "./words.js";
import { isShown, unitOf } from "./state.js";

export const ROW = 20;
export const ROOM = 6; // rows of a list of numbers
export const LETTERS = { i: "i", f: "f", g: "g", o: "o", c: "C", h: "h", z: "z", r: "r", x: "x" };
export const letterOf = (name) => LETTERS[name] ?? name;
// The colour class of a variable; the candidate and the SimpleRNN's one sum look alike.
export const inkOf = (name) => `ink-${name}`;

// A wire through points, with an arrowhead at its end; live while something moves along it.
export function wire(points, { live = false, arrow = true, dashed = false } = {}) {
  const path = points.map(([x, y], k) => `${k ? "L" : "M"} ${x} ${y}`).join(" ");
  const [[x0, y0], [x1, y1]] = points.slice(-2);
  const length = Math.hypot(x1 - x0, y1 - y0) || 1,
    ux = (x1 - x0) / length,
    uy = (y1 - y0) / length;
  const head = [
    [x1, y1],
    [x1 - 7 * ux - 3.5 * uy, y1 - 7 * uy + 3.5 * ux],
    [x1 - 7 * ux + 3.5 * uy, y1 - 7 * uy - 3.5 * ux],
  ];
  return h(
    "g",
    { class: `wire${live ? " live" : ""}${dashed ? " dashed" : ""}` },
    h("path", { d: path }),
    arrow ? h("polygon", { points: head.map((p) => p.map((v) => v.toFixed(1)).join()).join(" ") }) : null,
  );
}

export function operation(x, y, sign, live, sum) {
  return h(
    "g",
    { class: `operation${live ? " live" : ""}`, "data-sum": sum },
    h("circle", { cx: x, cy: y, r: 10 }),
    h("text", { x, y: y + 5, "text-anchor": "middle" }, sign),
  );
}

export function pill(x, y, text, live) {
  const half = 7 + 3.6 * text.length;
  return h(
    "g",
    { class: `pill${live ? " live" : ""}` },
    h("rect", { x: x - half, y: y - 10, width: 2 * half, height: 20, rx: 10 }),
    h("text", { x, y: y + 4, "text-anchor": "middle" }, text),
  );
}

// The units of a list that are shown: null stands for those left out.
export const rowsOf = (state, run, size) => shown(size, ROOM, Math.min(unitOf(state, run), size - 1));

// Numbers of one variable at step t, a row a unit, each with a bar; hovering one tells how it was made.
export function numberList(state, run, { name, t, x, y, width, rows, showUnits = false }) {
  const chosen = unitOf(state, run),
    known = t < 0 || t >= run.T || isShown(state, run, name, t);
  // At a masked step no gate was computed.
  const idle = run.isMasked(t) && KINDS[run.cell.kind].columns.includes(name) && name !== "h";
  return h(
    "g",
    { class: `numbers ${inkOf(name)}${known ? "" : " waiting"}` },
    rows.map((j, k) => {
      const top = y + k * ROW;
      if (j === null) return h("text", { class: "gap", x: x + width / 2, y: top + 13, "text-anchor": "middle" }, "⋯");
      const value = run.value(name, t, j);
      return h(
        "g",
        { class: `number${j === chosen ? " chosen" : ""}`, "data-sum": `${name},${t},${j}`, "data-unit": j },
        h("rect", { class: "cell", x, y: top, width, height: ROW - 2, rx: 3 }),
        known ? bar(name, value, x, top, width) : null,
        showUnits ? h("text", { class: "index", x: x + 5, y: top + 12.5 }, low(j + 1)) : null,
        h(
          "text",
          { x: x + width - (width < 50 ? 4 : 5), y: top + 12.5, "text-anchor": "end" },
          !known ? "·" : idle ? "–" : decimal(value),
        ),
      );
    }),
  );
}

function bar(name, value, x, top, width) {
  const size = Math.min(1, Math.abs(value) || 0);
  const signed = !["i", "f", "o", "z", "r"].includes(name);
  const half = signed ? width / 2 : width;
  const length = size * half;
  const left = !signed ? x : value < 0 ? x + half - length : x + half;
  return h("rect", { class: "bar", x: left.toFixed(1), y: top + ROW - 4.5, width: length.toFixed(1), height: 2.5 });
}

// --- colours of numbers on canvases ----------------------------------------------------------------------------

const RAMPS = {
  light: [
    [
      [255, 255, 255],
      [206, 221, 236],
      [131, 170, 208],
      [50, 107, 166],
      [10, 40, 84],
    ],
    [
      [255, 255, 255],
      [250, 214, 180],
      [226, 148, 84],
      [168, 82, 16],
      [92, 36, 0],
    ],
  ],
  dark: [
    [
      [27, 35, 44],
      [38, 66, 96],
      [58, 110, 166],
      [120, 174, 226],
      [214, 234, 255],
    ],
    [
      [27, 35, 44],
      [92, 50, 18],
      [166, 88, 28],
      [232, 150, 84],
      [255, 226, 200],
    ],
  ],
};

export const isDark = () => document.documentElement.dataset.shade === "dark";

// 511 colours for shares from -1 to 1, as packed bytes.
const tables = {};
function table(dark) {
  const name = dark ? "dark" : "light";
  if (tables[name]) return tables[name];
  const colours = new Uint32Array(511);
  for (let n = -255; n <= 255; n += 1) {
    const ramp = RAMPS[name][n < 0 ? 1 : 0],
      place = (Math.abs(n) / 255) * 4,
      k = Math.min(3, Math.floor(place));
    const [r, g, b] = ramp[k].map((from, c) => Math.round(from + (ramp[k + 1][c] - from) * (place - k)));
    colours[n + 255] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return (tables[name] = colours);
}

const MOST_PIXELS = 512; // along a side; of a larger table every n-th number is painted, as the screen would show it

// Paint a table of numbers, `at(row, column)`, one pixel each; undefined stays empty.
export function paint(canvas, rows, columns, scale, at) {
  const height = Math.min(rows, MOST_PIXELS),
    width = Math.min(columns, MOST_PIXELS);
  Object.assign(canvas, { rows, columns });
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"),
    image = context.createImageData(width, height),
    colours = table(isDark());
  const pixels = new Uint32Array(image.data.buffer);
  for (let r = 0; r < height; r += 1) {
    const row = Math.floor(((r + 0.5) * rows) / height);
    for (let c = 0; c < width; c += 1) {
      const value = at(row, width === columns ? c : Math.floor(((c + 0.5) * columns) / width));
      if (value === undefined) continue;
      const share = Math.max(-1, Math.min(1, value / scale)) || 0;
      pixels[r * width + c] = colours[Math.round(share * 255) + 255];
    }
  }
  context.putImageData(image, 0, 0);
}

// A figure with its heading and a sentence.
export function figure(key, label, title, sentence, content) {
  return part("section", { class: `figure figure-${key}`, "aria-label": label ? `${label}: ${title}` : title }, () => [
    h("h3", null, title),
    sentence ? h("p", { class: "sentence" }, sentence) : null,
    content(),
  ]);
}

// top: how much of the upper edge is left away.
export function svg(width, height, label, top, ...content) {
  return h(
    "svg",
    { viewBox: `0 ${top} ${width} ${height - top}`, width, height: height - top, role: "img", "aria-label": label },
    ...content,
  );
}
