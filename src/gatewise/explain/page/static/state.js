// What the page shows, as data; kept in the address behind #, so that a view can be shared.

import { KINDS, Run, sequenceOf } from "./cells.js";
import { fittedRun, fittedSettings, toyCell, toyInput } from "./sources.js";

export const LIMITS = { features: [1, 256], units: [1, 512], steps: [1, 200] };
const SIDE = {
  kind: "LSTM",
  features: 5,
  units: 10,
  steps: 13,
  seq: false,
  state: false,
  bi: false,
  bias: true,
  proj: 0,
  reset: true,
  model: -1,
  layer: 0,
  sample: 0,
  back: false,
};
const VIEW = { t: 0, unit: 0, gate: "", compare: false, side: 0, theme: "auto", lang: "en", speed: 1 };

export const initialSide = () => ({ ...SIDE });

export function initialState(data) {
  const state = {
    view: { ...VIEW, lang: data.lang ?? "en" },
    sides: [initialSide(), { ...SIDE, kind: "GRU" }],
    phase: null,
    playing: false,
  };
  if (data.models.length) state.sides[0].model = 0;
  if (data.models.length > 1) Object.assign(state.sides[1], { model: 1 });
  if (data.start) Object.assign(state.sides[0], data.start);
  if (data.compare) state.view.compare = true;
  return state;
}

// --- the address -----------------------------------------------------------------------------------------------------

const text = (value) => (value === true ? "1" : value === false ? "0" : String(value));

function read(pairs, prefix, defaults, target) {
  for (const [name, standard] of Object.entries(defaults)) {
    const given = pairs.get(prefix + name);
    if (given === null) continue;
    if (typeof standard === "boolean") target[name] = given === "1";
    else if (typeof standard === "number") {
      if (/^-?\d+(\.\d+)?$/.test(given)) target[name] = Number(given);
    } else target[name] = given;
  }
}

export function toHash(state, data) {
  const base = initialState(data),
    pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(state.view)) if (value !== base.view[name]) pairs.set(name, text(value));
  state.sides.forEach((side, k) => {
    if (k && !state.view.compare) return;
    for (const [name, value] of Object.entries(side))
      if (value !== base.sides[k][name]) pairs.set(`${"ab"[k]}.${name}`, text(value));
  });
  return pairs.toString();
}

export function fromHash(hash, data) {
  const state = initialState(data),
    pairs = new URLSearchParams(hash.replace(/^#/, ""));
  read(pairs, "", VIEW, state.view);
  state.sides.forEach((side, k) => {
    read(pairs, `${"ab"[k]}.`, SIDE, side);
    sound(side, data);
  });
  const { view } = state;
  if (!data.texts[view.lang]) view.lang = data.lang ?? "en";
  if (!["auto", "light", "dark"].includes(view.theme)) view.theme = "auto";
  if (![0.5, 1, 2, 4].includes(view.speed)) view.speed = 1;
  view.side = view.side === 1 ? 1 : 0;
  return state;
}

const within = (value, [low, high]) => Math.min(high, Math.max(low, Math.round(value)));

// Settings that came from outside, made possible ones.
export function sound(side, data) {
  if (!KINDS[side.kind]) side.kind = "LSTM";
  for (const [name, limits] of Object.entries(LIMITS)) side[name] = within(side[name], limits);
  side.proj = side.kind === "LSTM" ? within(side.proj, [0, side.units]) : 0;
  if (side.model >= 0) {
    const model = data.models[Math.floor(side.model)];
    if (!model) side.model = -1;
    else {
      side.layer = within(side.layer, [0, model.layers.length - 1]);
      side.sample = within(side.sample, [0, Math.max(0, (model.layers[side.layer].samples ?? 1) - 1)]);
    }
  } else side.model = -1;
}

// --- what follows from it --------------------------------------------------------------------------------------------

const kept = new Map();

// {settings, run, layer, model} of a side; runs are kept while what they depend on stays.
export function shownOf(side, k, data) {
  const layer = side.model >= 0 ? data.models[side.model].layers[side.layer] : null;
  const key = layer ? `${side.model}/${side.layer}/${side.sample}/${data.models[side.model].stamp}` : runKey(side);
  const old = kept.get(k);
  if (old && old.key === key) return { ...old, settings: layer ? old.settings : side };
  const found = layer
    ? {
        key,
        layer,
        model: data.models[side.model],
        settings: fittedSettings(layer),
        run: fittedRun(layer, side.sample),
      }
    : {
        key,
        layer: null,
        model: null,
        settings: side,
        run: Run.fresh(toyCell(side, side.bi && side.back), toyInput(side.features, side.steps), side.steps),
      };
  kept.set(k, found);
  return found;
}

const runKey = (s) => [s.kind, s.features, s.units, s.steps, s.bias, s.proj, s.reset, s.bi && s.back].join();

// The moments of a step, and which of them are over at the state's phase.
export function phasesOf(run) {
  return sequenceOf(run.cell.kind);
}

export function isShown(state, run, name, t) {
  if (!run.isKnown(t) && t >= 0 && t < run.T) return false;
  const current = timeOf(state, run);
  if (state.phase === null || t !== current) return true;
  const order = phasesOf(run);
  const place = order.indexOf(name === "input" ? "x" : name);
  return place < 0 || place <= state.phase;
}

export const timeOf = (state, run) => Math.min(state.view.t, run.T - 1);
export const unitOf = (state, run) => Math.min(state.view.unit, run.cell.H - 1);
// The number whose sum is written out: the one being computed, or the one that was chosen.
export function chosenOf(state, run) {
  const order = phasesOf(run);
  if (state.phase !== null && state.phase > 0) return order[Math.min(state.phase, order.length - 1)];
  return order.slice(1).includes(state.view.gate) ? state.view.gate : order[1];
}
