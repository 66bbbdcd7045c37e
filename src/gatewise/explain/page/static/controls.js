// Sliders, switches and choices for one layer.

import { h } from "./nodes.js";
import { LIMITS } from "./state.js";
import { count, say } from "./words.js";

// Sliders for large ranges move finely where numbers are small.
const toPlace = (value, [low, high]) =>
  high - low > 250 ? Math.round((1000 * Math.log(value / low)) / Math.log(high / low)) : value;
export const fromPlace = (place, [low, high]) =>
  high - low > 250 ? Math.round(low * (high / low) ** (place / 1000)) : place;

// key: of the side, read again at each press, which may be faster than the drawing.
function slider(name, side, key, limits, change) {
  const value = side[key];
  const curved = limits[1] - limits[0] > 250,
    id = `slider-${name}`;
  const set = (wanted) => change(Math.min(limits[1], Math.max(limits[0], wanted)));
  const keys = (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    const to = by ? side[key] + by : { Home: limits[0], End: limits[1] }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set(to);
  };
  return h(
    "div",
    { class: "slider" },
    h("label", { for: id }, say(name)),
    h("input", {
      class: "exact",
      type: "number",
      min: limits[0],
      max: limits[1],
      value: String(value),
      "aria-label": say("exactly", { name: say(name) }),
      onchange: (event) => {
        if (event.target.value !== "") set(Math.round(Number(event.target.value)) || limits[0]);
      },
    }),
    h("input", {
      id,
      type: "range",
      min: curved ? 0 : limits[0],
      max: curved ? 1000 : limits[1],
      step: 1,
      value: String(toPlace(value, limits)),
      "data-slider": name,
      "aria-valuetext": count(value),
      onkeydown: keys,
      oninput: (event) => set(fromPlace(Number(event.target.value), limits)),
    }),
  );
}

function toggle(name, on, change, { disabled = false } = {}) {
  return h(
    "label",
    { class: `toggle${disabled ? " off" : ""}` },
    h("input", {
      type: "checkbox",
      role: "switch",
      checked: on,
      disabled,
      "data-switch": name,
      onchange: (event) => change(event.target.checked),
    }),
    h("span", { class: "knob", "aria-hidden": "true" }),
    h("span", null, name),
  );
}

export function choice(name, label, options, value, change) {
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", { class: "unseen" }, label),
    options.map(([key, text]) =>
      h(
        "label",
        null,
        h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => change(key) }),
        h("span", null, text),
      ),
    ),
  );
}

const select = (key, options, value, change) =>
  h(
    "label",
    { class: "select" },
    h("span", null, say(key)),
    h(
      "select",
      { "data-select": key, onchange: (event) => change(Number(event.target.value)) },
      options.map((text, k) => h("option", { value: k, selected: k === value }, text)),
    ),
  );

export function controls(app, act) {
  const { state, data } = app,
    { view } = state,
    side = state.sides[view.side],
    at = `-${view.side}`;
  return h(
    "div",
    { class: "controls-inside" },
    h("h2", { class: "unseen" }, say("controls")),
    h(
      "div",
      { class: "compare-row" },
      toggle(say("compare"), view.compare, (on) => act.view({ compare: on, side: on ? 1 : 0 })),
      view.compare
        ? choice(
            "side",
            say("compare"),
            [
              ["0", "A"],
              ["1", "B"],
            ],
            String(view.side),
            (key) => act.view({ side: Number(key) }),
          )
        : null,
    ),
    data.models.length
      ? choice(
          `source${at}`,
          say("source"),
          [
            ["toy", say("source_toy")],
            ["model", say("source_model")],
          ],
          side.model >= 0 ? "model" : "toy",
          (key) => act.side({ model: key === "model" ? 0 : -1, layer: 0, sample: 0 }),
        )
      : null,
    side.model >= 0 ? modelControls(side, data, act) : toyControls(side, act, at),
    app.served ? uploads(app, act) : null,
  );
}

function toyControls(side, act, at) {
  const change = (name) => (value) => act.side({ [name]: value });
  return h(
    "div",
    { class: "group", key: `toy${at}` },
    choice(
      `kind${at}`,
      say("kind"),
      [
        ["LSTM", "LSTM"],
        ["GRU", "GRU"],
        ["SimpleRNN", "SimpleRNN"],
      ],
      side.kind,
      change("kind"),
    ),
    slider("features", side, "features", LIMITS.features, change("features")),
    slider("units", side, "units", LIMITS.units, change("units")),
    slider("steps", side, "steps", LIMITS.steps, change("steps")),
    h(
      "div",
      { class: "toggles" },
      toggle("return_sequences", side.seq, change("seq")),
      toggle("return_state", side.state, change("state")),
      toggle("Bidirectional", side.bi, change("bi")),
      toggle("use_bias", side.bias, change("bias")),
      side.kind === "GRU" ? toggle("reset_after", side.reset, change("reset")) : null,
      side.kind === "LSTM"
        ? toggle(
            "projection",
            side.proj > 0,
            (on) => act.side({ proj: on ? Math.max(1, Math.round(side.units / 2)) : 0 }),
            { disabled: side.units < 2 && !side.proj },
          )
        : null,
    ),
    side.kind === "LSTM" && side.proj
      ? slider("projection_units", side, "proj", [1, side.units], change("proj"))
      : null,
    side.bi
      ? choice(
          `way${at}`,
          say("direction"),
          [
            ["f", say("forwards")],
            ["b", say("backwards")],
          ],
          side.back ? "b" : "f",
          (key) => act.side({ back: key === "b" }),
        )
      : null,
  );
}

function modelControls(side, data, act) {
  const model = data.models[side.model],
    layer = model.layers[side.layer];
  return h(
    "div",
    { class: "group" },
    data.models.length > 1
      ? select(
          "model",
          data.models.map((m) => m.name),
          side.model,
          (k) => act.side({ model: k, layer: 0, sample: 0 }),
        )
      : null,
    select(
      "layer",
      model.layers.map((l) => `${l.path} · ${l.kind}(${l.units})`),
      side.layer,
      (k) => act.side({ layer: k, sample: 0 }),
    ),
    layer.samples
      ? select(
          "sample",
          Array.from({ length: layer.samples }, (_, k) => `${k + 1} / ${layer.samples_given}`),
          side.sample,
          (k) => act.side({ sample: k }),
        )
      : null,
    h("p", { class: "quiet" }, layer.samples ? say("real_trace") : say("no_data_yet")),
    layer.steps_given > layer.steps
      ? h("p", { class: "quiet" }, say("steps_cut", { shown: layer.steps, all: layer.steps_given }))
      : null,
    layer.plain ? null : h("p", { class: "quiet" }, say("no_sum")),
    h(
      "details",
      { class: "rows" },
      h("summary", null, say("all_layers", { n: model.rows.length })),
      h(
        "table",
        { class: "sizes" },
        h(
          "tbody",
          null,
          model.rows.map((row) =>
            h(
              "tr",
              null,
              h("th", { scope: "row" }, row.name),
              h("td", null, row.cls),
              h("td", null, count(row.params)),
            ),
          ),
        ),
      ),
    ),
  );
}

function uploads(app, act) {
  const pick = (kind, accept) =>
    h(
      "label",
      { class: "plain file" },
      say(`open_${kind}`),
      h("input", {
        type: "file",
        accept,
        class: "unseen",
        "data-upload": kind,
        onchange: (event) => act.upload(kind, event.target),
      }),
    );
  return h(
    "div",
    { class: "group uploads" },
    pick("model", ".keras"),
    app.data.models.length ? pick("data", ".npy,.npz,.csv") : null,
    app.message ? h("p", { class: "message", role: "alert" }, app.message) : null,
  );
}
