// The arithmetic of the cells, the same as the kernels': one step, and any number of it as the sum that made it.
//
// Weights have Keras's shapes, flat, row by row: W (F, GH), U (P, GH), b (GH), or (2, 3H) of a GRU with reset_after;
// projection (H, P). Values of a run are flat too, step by step: value of unit j at step t is array[t * size + j].

const clip = (v) => Math.min(1, Math.max(0, v));
const sigmoid = (v) => 1 / (1 + Math.exp(-v));

export const ACTIVATIONS = {
  tanh: Math.tanh,
  sigmoid,
  linear: (v) => v,
  relu: (v) => Math.max(0, v),
  softsign: (v) => v / (1 + Math.abs(v)),
  hard_sigmoid: (v) => clip(v / 6 + 0.5),
  hard_sigmoid_keras2: (v) => clip(0.2 * v + 0.5),
  hard_tanh: (v) => Math.min(1, Math.max(-1, v)),
  softplus: (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))),
  elu: (v) => (v > 0 ? v : Math.expm1(v)),
  silu: (v) => v * sigmoid(v),
  exponential: Math.exp,
};

// columns: the gates in the order of the weights; order: in which a step computes them.
export const KINDS = {
  LSTM: { columns: ["i", "f", "g", "o"], order: ["f", "i", "g", "o"], states: ["c", "h"] },
  GRU: { columns: ["z", "r", "g"], order: ["z", "r", "g"], states: ["h"] },
  SimpleRNN: { columns: ["h"], order: ["h"], states: [] },
};

// The numbers of a step in the order in which they come to be.
export const sequenceOf = (kind) => ["x", ...KINDS[kind].order, ...KINDS[kind].states];

// What an activation is called in formulas.
export const functionName = (name) => (name === "sigmoid" ? "σ" : name);

export const isCandidate = (cell, gate) => gate === "g" || (cell.kind === "SimpleRNN" && gate === "h");
export const activationName = (cell, gate) => (isCandidate(cell, gate) ? cell.activation : cell.recurrentActivation);

// A cell with its data: values of every variable at every step, computed as far as `done` says.
export class Run {
  constructor(cell, values, T, { initial = {}, mask = null, done = 0 } = {}) {
    Object.assign(this, { cell, values, T, initial, mask, done });
    this.work = null;
  }

  static fresh(cell, x, T, initial = {}) {
    const values = { input: x };
    for (const name of KINDS[cell.kind].columns) values[name] = new Float64Array(T * cell.H);
    for (const name of KINDS[cell.kind].states) values[name] = new Float64Array(T * (name === "h" ? cell.P : cell.H));
    return new Run(cell, values, T, { initial });
  }

  size(name) {
    return name === "input" || name === "x" ? this.cell.F : name === "h" ? this.cell.P : this.cell.H;
  }

  // The step at place `turn` of the way in which the cell reads; and the step read before t.
  step(turn) {
    return this.cell.backwards ? this.T - 1 - turn : turn;
  }
  before(t) {
    return this.cell.backwards ? t + 1 : t - 1;
  }
  turn(t) {
    return this.cell.backwards ? this.T - 1 - t : t;
  }

  value(name, t, j) {
    const key = name === "x" ? "input" : name;
    if (t < 0 || t >= this.T) return this.initial[key] ? this.initial[key][j] : 0;
    return this.values[key][t * this.size(key) + j];
  }

  isKnown(t) {
    return this.turn(t) < this.done;
  }
  isMasked(t) {
    return Boolean(this.mask) && t >= 0 && t < this.T && !this.mask[t];
  }

  // Compute further steps, until the deadline (in the time of performance.now()) has passed; whether all are done.
  advance(deadline = Infinity) {
    while (this.done < this.T) {
      this.compute(this.step(this.done));
      this.done += 1;
      if (performance.now() > deadline) break;
    }
    return this.done >= this.T;
  }

  compute(t) {
    const { cell } = this;
    const G = KINDS[cell.kind].columns.length;
    this.work ??= {
      z: new Float64Array(G * cell.H),
      q: new Float64Array(cell.H),
      h: new Float64Array(cell.P),
      m: new Float64Array(cell.H),
    };
    for (let k = 0; k < cell.P; k += 1) this.work.h[k] = this.value("h", this.before(t), k);
    STEPS[cell.kind](this, t);
  }
}

// to[n] += factor * weights[offset + n]
function addRow(to, weights, offset, factor, begin, end) {
  if (factor === 0) return;
  for (let n = begin; n < end; n += 1) to[n] += factor * weights[offset + n];
}

function sums(run, t, columns) {
  const { cell, work } = run;
  const GH = work.z.length;
  if (cell.b) for (let n = 0; n < GH; n += 1) work.z[n] = cell.b[n];
  else work.z.fill(0);
  for (let k = 0; k < cell.F; k += 1) addRow(work.z, cell.W, k * GH, run.values.input[t * cell.F + k], 0, GH);
  for (let k = 0; k < cell.P; k += 1) addRow(work.z, cell.U, k * GH, work.h[k], 0, columns);
}

const STEPS = {
  LSTM(run, t) {
    const { cell, values, work } = run;
    const H = cell.H;
    const act = ACTIVATIONS[cell.activation],
      gate = ACTIVATIONS[cell.recurrentActivation];
    sums(run, t, 4 * H);
    for (let j = 0; j < H; j += 1) {
      const at = t * H + j;
      const i = gate(work.z[j]),
        f = gate(work.z[H + j]),
        g = act(work.z[2 * H + j]),
        o = gate(work.z[3 * H + j]);
      const c = f * run.value("c", run.before(t), j) + i * g;
      [values.i[at], values.f[at], values.g[at], values.o[at], values.c[at]] = [i, f, g, o, c];
      work.m[j] = o * act(c);
    }
    const out = values.h.subarray(t * cell.P, (t + 1) * cell.P);
    if (!cell.projection) return out.set(work.m);
    out.fill(0);
    for (let k = 0; k < H; k += 1) addRow(out, cell.projection, k * cell.P, work.m[k], 0, cell.P);
  },

  GRU(run, t) {
    const { cell, values, work } = run;
    const H = cell.H;
    const act = ACTIVATIONS[cell.activation],
      gate = ACTIVATIONS[cell.recurrentActivation];
    sums(run, t, 2 * H);
    if (cell.b && cell.resetAfter) for (let n = 0; n < 2 * H; n += 1) work.z[n] += cell.b[3 * H + n];
    for (let j = 0; j < H; j += 1) {
      values.z[t * H + j] = gate(work.z[j]);
      values.r[t * H + j] = gate(work.z[H + j]);
      work.q[j] = cell.b && cell.resetAfter ? cell.b[5 * H + j] : 0;
    }
    for (let k = 0; k < H; k += 1) {
      const factor = cell.resetAfter ? work.h[k] : values.r[t * H + k] * work.h[k];
      for (let j = 0; j < H; j += 1) work.q[j] += factor * cell.U[k * 3 * H + 2 * H + j];
    }
    for (let j = 0; j < H; j += 1) {
      const at = t * H + j;
      const g = act(work.z[2 * H + j] + (cell.resetAfter ? values.r[at] : 1) * work.q[j]);
      values.g[at] = g;
      values.h[at] = values.z[at] * work.h[j] + (1 - values.z[at]) * g;
    }
  },

  SimpleRNN(run, t) {
    const act = ACTIVATIONS[run.cell.activation];
    sums(run, t, run.cell.H);
    for (let j = 0; j < run.cell.H; j += 1) run.values.h[t * run.cell.H + j] = act(run.work.z[j]);
  },
};

// --- how a number came to be -----------------------------------------------------------------------------------
//
// {name, unit, step, terms: [{kind, k, a, b}], sum, fn, value, inner}: value = fn(sum of a * b over the terms); a bias
// has only a. inner: the sum that a term stands for (r times the recurrent part, in a GRU with reset_after).

export function madeOf(run, name, j, t) {
  if (t < 0 || t >= run.T || name === "x") return null;
  const { kind } = run.cell;
  if (run.isMasked(t)) return { name, unit: j, step: t, terms: [], masked: true, value: run.value(name, t, j) };
  const isGate = KINDS[kind].columns.includes(name);
  if (!run.cell.plain) return null;
  if (isGate) return run.cell.W ? gateSum(run, name, j, t) : null;
  return stateSum(run, name, j, t);
}

function gateSum(run, name, j, t) {
  const { cell } = run;
  const { columns } = KINDS[cell.kind];
  const G = columns.length,
    H = cell.H,
    g = columns.indexOf(name),
    GH = G * H,
    before = run.before(t);
  const terms = [];
  const push = (term) => terms.push(term);
  for (let k = 0; k < cell.F; k += 1) push({ kind: "x", k, a: run.value("x", t, k), b: cell.W[k * GH + g * H + j] });
  const recurrent = [];
  const resetBefore = cell.kind === "GRU" && name === "g" && !cell.resetAfter;
  for (let k = 0; k < cell.P; k += 1) {
    const h = run.value("h", before, k);
    recurrent.push({
      kind: resetBefore ? "rh" : "h",
      k,
      a: resetBefore ? run.value("r", t, k) * h : h,
      b: cell.U[k * GH + g * H + j],
    });
  }
  let inner = null;
  if (cell.kind === "GRU" && name === "g" && cell.resetAfter) {
    if (cell.b) recurrent.push({ kind: "b", k: 1, a: cell.b[GH + g * H + j] });
    inner = { terms: recurrent, sum: total(recurrent) };
    push({ kind: "rq", k: j, a: run.value("r", t, j), b: inner.sum });
  } else {
    recurrent.forEach(push);
  }
  if (cell.b) push({ kind: "b", k: 0, a: cell.b[g * H + j] });
  if (cell.b && cell.kind === "GRU" && cell.resetAfter && name !== "g")
    push({ kind: "b", k: 1, a: cell.b[GH + g * H + j] });
  const sum = total(terms),
    fn = activationName(cell, name);
  return {
    name,
    unit: j,
    step: t,
    terms,
    sum,
    fn,
    inner,
    value: run.value(name, t, j),
    computed: ACTIVATIONS[fn](sum),
  };
}

function stateSum(run, name, j, t) {
  const { cell } = run;
  const at = (variable) => run.value(variable, t, j);
  const past = (variable) => run.value(variable, run.before(t), j);
  const act = ACTIVATIONS[cell.activation];
  let terms;
  if (name === "c")
    terms = [
      { kind: "fc", k: j, a: at("f"), b: past("c") },
      { kind: "ig", k: j, a: at("i"), b: at("g") },
    ];
  else if (cell.kind === "GRU")
    terms = [
      { kind: "zh", k: j, a: at("z"), b: past("h") },
      { kind: "zg", k: j, a: 1 - at("z"), b: at("g") },
    ];
  else if (cell.projection) {
    terms = Array.from({ length: cell.H }, (_, k) => ({
      kind: "m",
      k,
      a: run.value("o", t, k) * act(run.value("c", t, k)),
      b: cell.projection[k * cell.P + j],
    }));
  } else terms = [{ kind: "oc", k: j, a: at("o"), b: act(at("c")) }];
  const sum = total(terms);
  return { name, unit: j, step: t, terms, sum, fn: null, inner: null, value: at(name), computed: sum };
}

export const product = (term) => (term.b === undefined ? term.a : term.a * term.b);
const total = (terms) => terms.reduce((sum, term) => sum + product(term), 0);
