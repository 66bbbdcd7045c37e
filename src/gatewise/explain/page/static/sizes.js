// Shapes, counts, output shapes and Keras code of one layer, from its settings:
// {kind, features, units, steps, seq, state, bi, bias, proj, reset}; proj is 0 without a projection.

import { KINDS } from "./cells.js";

export const outUnits = (s) => (s.kind === "LSTM" && s.proj ? s.proj : s.units);

const SYMBOLS = { kernel: "W", recurrent_kernel: "U", bias: "b", projection_kernel: "P", peephole_kernel: "p" };

// The weight arrays of one direction: {name, letter, shape, letters, count}; of a fitted layer with options that change
// them (layer.plain is false) as they are.
export function matricesOf(s, layer = null) {
  if (layer && !layer.plain) {
    return layer.matrices.map(([name, shape]) => ({
      name,
      letter: SYMBOLS[name] ?? "",
      shape,
      letters: shape,
      count: shape.reduce((a, b) => a * b, 1),
    }));
  }
  const G = KINDS[s.kind].columns.length,
    H = s.units,
    P = outUnits(s),
    times = G > 1 ? G : "";
  const rows = [
    { name: "kernel", letter: "W", shape: [s.features, G * H], letters: ["F", `${times}H`] },
    { name: "recurrent_kernel", letter: "U", shape: [P, G * H], letters: [P === H ? "H" : "P", `${times}H`] },
  ];
  if (s.bias) {
    const two = s.kind === "GRU" && s.reset;
    rows.push({
      name: "bias",
      letter: "b",
      shape: two ? [2, G * H] : [G * H],
      letters: two ? ["2", `${times}H`] : [`${times}H`],
    });
  }
  if (P !== H || (s.kind === "LSTM" && s.proj)) {
    rows.push({ name: "projection_kernel", letter: "P", shape: [H, P], letters: ["H", "P"] });
  }
  return rows.map((row) => ({ ...row, count: row.shape.reduce((a, b) => a * b, 1) }));
}

export function countOf(s) {
  return matricesOf(s).reduce((sum, row) => sum + row.count, 0) * (s.bi ? 2 : 1);
}

// The numbers of one gate: (F + H) x H + H.
export function gateCount(s) {
  const biases = s.bias ? (s.kind === "GRU" && s.reset ? 2 : 1) : 0;
  return (s.features + outUnits(s) + biases) * s.units;
}

// "(5 + 10) × 10 + 10 = 160"
export function gateArithmetic(s) {
  const H = s.units,
    bias = !s.bias ? "" : s.kind === "GRU" && s.reset ? ` + 2 × ${H}` : ` + ${H}`;
  return `(${s.features} + ${outUnits(s)}) × ${H}${bias} = ${gateCount(s)}`;
}

// "4 × ((5 + 10) × 10 + 10)", in numbers or in letters; the count is its value.
export function arithmeticOf(s, inLetters = false) {
  const G = KINDS[s.kind].columns.length,
    projected = s.kind === "LSTM" && s.proj;
  const [F, H, P] = inLetters ? ["F", "H", projected ? "P" : "H"] : [s.features, s.units, outUnits(s)];
  const bias = !s.bias ? "" : s.kind === "GRU" && s.reset ? ` + 2 × ${H}` : ` + ${H}`;
  const gate = `(${F} + ${P}) × ${H}${bias}`;
  let text = G > 1 ? `${G} × (${gate})` : gate;
  if (G > 1 && !bias) text = `${G} × ${gate}`;
  if (projected) text += ` + ${H} × ${P}`;
  if (s.bi) text = `2 × ${G > 1 && !projected ? text : `(${text})`}`;
  return text;
}

// What the layer returns: [{name, shape}], N for the batch, T for any number of steps.
export function outputsOf(s) {
  const both = s.bi ? 2 : 1,
    P = outUnits(s),
    T = s.steps;
  const outputs = [{ name: "output", shape: s.seq ? ["N", T, both * P] : ["N", both * P] }];
  if (!s.state) return outputs;
  for (let k = 0; k < both; k += 1) {
    const arrow = s.bi ? (k ? " ←" : " →") : "";
    outputs.push({ name: `h${arrow}`, shape: ["N", P] });
    if (s.kind === "LSTM") outputs.push({ name: `C${arrow}`, shape: ["N", s.units] });
  }
  return outputs;
}

export const shapeText = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

// --- code --------------------------------------------------------------------------------------------------------

export function layerCode(s) {
  const options = [String(s.units)];
  const add = (name, value) => options.push(`${name}=${value}`);
  if (s.seq) add("return_sequences", "True");
  if (s.state) add("return_state", "True");
  if (!s.bias) add("use_bias", "False");
  if (s.kind === "GRU" && !s.reset) add("reset_after", "False");
  if (s.kind === "LSTM" && s.proj) add("projection_units", s.proj);
  for (const [name, value] of Object.entries(s.more ?? {})) add(name, value);
  const layer = `layers.${s.kind}(${options.join(", ")})`;
  return s.bi ? `layers.Bidirectional(${layer})` : layer;
}

// A whole script; with options that Keras does not have the imports are gatewise's.
export function codeOf(s, words) {
  const own = [...(s.kind === "LSTM" && s.proj ? ["projection_units"] : []), ...(s.own ?? [])];
  const name = own.length ? "gatewise" : "keras";
  const shape = `(${s.steps ?? "None"}, ${s.features})`;
  const lines = [];
  if (own.length) lines.push(`# ${words("code_own", { names: own.join(", ") })}`);
  lines.push(`import ${name}`, `from ${name} import layers`, "");
  if (!s.state) {
    lines.push(`model = ${name}.Sequential([`, `    ${name}.Input(${shape}),`, `    ${layerCode(s)},`, "])");
  } else {
    const names = outputsOf(s).map((output) =>
      output.name.replace(" →", "_forward").replace(" ←", "_backward").toLowerCase(),
    );
    lines.push(`inputs = ${name}.Input(${shape})`, `${names.join(", ")} = ${layerCode(s)}(inputs)`);
    lines.push(`model = ${name}.Model(inputs, [${names.join(", ")}])`);
  }
  lines.push("model.summary()", `# ${words("code_count", { n: s.params ?? countOf(s) })}`);
  return `${lines.join("\n")}\n`;
}
