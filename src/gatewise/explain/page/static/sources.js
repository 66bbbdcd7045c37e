// Where the numbers of a run come from: made-up weights and data that stay the same as sliders move,
// or a fitted model's.

import { KINDS, Run } from "./cells.js";
import { outUnits } from "./sizes.js";

const TABLE = normalTable(1 << 14);

function normalTable(size) {
  const table = new Float32Array(size);
  let state = 20_24_11;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 4294967296;
  };
  for (let k = 0; k < size; k += 1) table[k] = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return table;
}

// The same number for the same place, whatever the sizes are.
function drawn(row, gate, unit, salt) {
  let at =
    Math.imul(row + 1, 0x9e3779b1) ^
    Math.imul(gate + 1, 0x85ebca6b) ^
    Math.imul(unit + 1, 0xc2b2ae35) ^
    Math.imul(salt + 1, 0x27d4eb2f);
  at = Math.imul(at ^ (at >>> 15), 0x2c1b3c6d);
  return TABLE[((at ^ (at >>> 13)) >>> 0) & (TABLE.length - 1)];
}

// The numbers of a row and a gate for as many units as there may be; drawn once, so that sliders move fast.
const rowsDrawn = new Map();
function drawnRow(row, gate, salt) {
  const key = (salt * 4 + gate) * 1024 + row;
  if (!rowsDrawn.has(key))
    rowsDrawn.set(
      key,
      Float32Array.from({ length: 512 }, (_, j) => drawn(row, gate, j, salt)),
    );
  return rowsDrawn.get(key);
}

function block(rows, G, H, scale, salt) {
  const values = new Float32Array(rows * G * H);
  let at = 0;
  for (let k = 0; k < rows; k += 1) {
    for (let g = 0; g < G; g += 1) {
      const row = drawnRow(k, g, salt);
      for (let j = 0; j < H; j += 1, at += 1) values[at] = scale * row[j];
    }
  }
  return values;
}

// The cell that the sliders describe.
export function toyCell(s, backwards) {
  const G = KINDS[s.kind].columns.length,
    H = s.units,
    P = outUnits(s),
    salt = backwards ? 10 : 0;
  const cell = {
    kind: s.kind,
    F: s.features,
    H,
    P,
    activation: "tanh",
    recurrentActivation: "sigmoid",
    resetAfter: s.reset,
    backwards,
    W: block(s.features, G, H, 1.1 / Math.sqrt(s.features), salt),
    U: block(P, G, H, 0.9 / Math.sqrt(P), salt + 1),
    b: null,
    projection: null,
    plain: true,
  };
  if (s.bias) {
    const rows = s.kind === "GRU" && s.reset ? 2 : 1;
    cell.b = block(rows, G, H, 0.15, salt + 2);
    if (s.kind === "LSTM") for (let j = 0; j < H; j += 1) cell.b[H + j] = 1; // the forget gate's begins at 1
  }
  if (s.kind === "LSTM" && s.proj) cell.projection = block(H, 1, P, 1.2 / Math.sqrt(H), salt + 3);
  return cell;
}

// A calm wave for every feature, each with its own pace.
export function toyInput(F, T) {
  const x = new Float64Array(T * F);
  for (let t = 0; t < T; t += 1) {
    for (let k = 0; k < F; k += 1) {
      x[t * F + k] =
        Math.sin((t + 1) * (0.55 + 0.37 * (k % 7)) + 1.3 * k) * (0.9 - 0.25 * (k % 3)) + 0.12 * drawn(t, k, 0, 7);
    }
  }
  return x;
}

// --- a fitted model ------------------------------------------------------------------------------------------------

const decoded = new WeakMap();

// A float32 array from {shape, base64}.
export function numbers(array) {
  if (!array) return null;
  if (!decoded.has(array)) {
    const bytes = Uint8Array.from(atob(array.base64), (letter) => letter.charCodeAt(0));
    decoded.set(array, new Float32Array(bytes.buffer));
  }
  return decoded.get(array);
}

function fittedCell(layer) {
  return {
    kind: layer.kind,
    F: layer.features,
    H: layer.units,
    P: layer.out_units,
    activation: layer.activation,
    recurrentActivation: layer.recurrent_activation,
    resetAfter: layer.reset_after,
    backwards: layer.reads_backwards,
    W: numbers(layer.weights?.kernel),
    U: numbers(layer.weights?.recurrent_kernel),
    b: numbers(layer.weights?.bias),
    projection: numbers(layer.weights?.projection_kernel),
    plain: layer.plain,
    others: layer.plain
      ? {}
      : Object.fromEntries(Object.entries(layer.weights ?? {}).map(([name, array]) => [name, numbers(array)])),
  };
}

// The run of one sample that was traced.
export function fittedRun(layer, sample) {
  const cell = fittedCell(layer),
    T = layer.steps,
    values = {},
    initial = {};
  for (const [name, array] of Object.entries(layer.trace)) {
    const size = array.shape[2];
    values[name] = numbers(array).subarray(sample * T * size, (sample + 1) * T * size);
  }
  for (const [name, array] of Object.entries(layer.initial)) {
    initial[name] = numbers(array).subarray(sample * array.shape[1], (sample + 1) * array.shape[1]);
  }
  const mask = layer.mask ? layer.mask[sample] : null;
  return new Run(cell, values, T, { initial, mask, done: T });
}

// The settings that a fitted layer amounts to, for counts, shapes and code.
export function fittedSettings(layer) {
  return {
    kind: layer.kind,
    features: layer.features,
    units: layer.units,
    steps: layer.steps_declared,
    seq: layer.return_sequences,
    state: layer.return_state,
    bi: layer.bidirectional,
    bias: layer.use_bias,
    proj: layer.projection_units ?? 0,
    reset: layer.reset_after,
    more: layer.more_options,
    own: layer.own_options,
    params: layer.params,
  };
}
