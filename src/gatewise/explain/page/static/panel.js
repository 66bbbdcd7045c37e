// The numbers beside the pictures: count, shapes, one number term by term, code; and the comparison of two layers.

import { KINDS, sequenceOf } from "./cells.js";
import { h, part } from "./nodes.js";
import { inkOf, letterOf } from "./parts.js";
import { arithmeticOf, codeOf, countOf, gateCount, matricesOf, outputsOf, outUnits, shapeText } from "./sizes.js";
import { chosenOf, isShown, timeOf, unitOf } from "./state.js";
import { sumTable } from "./sums.js";
import { count, decimal, low, say } from "./words.js";

export function countCard({ settings, layer }) {
  const total = countOf(settings),
    H = settings.units,
    rows = matricesOf(settings, layer);
  const odd = layer && (layer.params !== total || !layer.plain);
  return card("count", say("count_title"), () => [
    h(
      "p",
      { class: "equation" },
      odd ? null : h("span", null, `${arithmeticOf(settings)} =`),
      h("strong", null, count(layer ? layer.params : total)),
    ),
    odd ? null : h("p", { class: "letters" }, arithmeticOf(settings, true)),
    odd ? null : h("p", { class: "sentence" }, countSentence(settings, H)),
    h(
      "table",
      { class: "sizes" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, say("matrix")),
          h("th", { scope: "col" }, say("shape")),
          h("th", { scope: "col" }, say("numbers")),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((row) =>
          h(
            "tr",
            null,
            h("th", { scope: "row" }, row.name, settings.bi ? " × 2" : ""),
            h(
              "td",
              null,
              row.letters === row.shape ? shapeText(row.shape) : `${shapeText(row.letters)} = ${shapeText(row.shape)}`,
            ),
            h("td", { "data-text": productText(row, settings) }, count(row.count * (settings.bi ? 2 : 1))),
          ),
        ),
      ),
    ),
  ]);
}

// "5 × 40 = 200"
function productText(row, settings) {
  const factors = [...row.shape, ...(settings.bi ? [2] : [])];
  return `${factors.join(" × ")} = ${count(factors.reduce((a, b) => a * b, 1))}`;
}

function countSentence(s, H) {
  const values = { F: s.features, H, P: outUnits(s), inputs: s.features + outUnits(s), gate: count(gateCount(s)) };
  const parts = [say(`why_${s.kind}`, values)];
  if (s.kind === "GRU" && s.bias) parts.push(say(s.reset ? "why_two_biases" : "why_one_bias", values));
  if (!s.bias) parts.push(say("why_no_bias", values));
  if (s.kind === "LSTM" && s.proj) parts.push(say("why_projection", values));
  if (s.bi) parts.push(say("why_bidirectional", values));
  parts.push(say("why_not_steps"));
  return parts.join(document.documentElement.lang === "zh" ? "" : " ");
}

export function outputCard({ settings }) {
  const outputs = outputsOf(settings).map((o) => ({ ...o, shape: o.shape.map((size) => size ?? "T") }));
  const keys = [
    settings.seq ? "out_sequence" : "out_last",
    settings.bi ? "out_both" : "",
    settings.state ? (settings.kind === "LSTM" ? "out_states_lstm" : "out_state") : "",
  ];
  return card("output", say("output_title"), () => [
    h(
      "ul",
      { class: "outputs" },
      outputs.map((o) =>
        h(
          "li",
          null,
          h("span", null, o.name === "output" ? say("output") : o.name),
          h("code", { class: "shape" }, shapeText(o.shape)),
        ),
      ),
    ),
    h(
      "p",
      { class: "sentence" },
      keys
        .filter(Boolean)
        .map((key) => say(key, { H: outUnits(settings), T: settings.steps ?? "T" }))
        .join(document.documentElement.lang === "zh" ? "" : " "),
    ),
  ]);
}

// One number, term by term; the gates are tabs, the units a stepper.
export function sumCard(state, { run }, act, reached) {
  const t = timeOf(state, run),
    j = unitOf(state, run),
    chosen = chosenOf(state, run),
    size = run.size(chosen);
  const names = sequenceOf(run.cell.kind).slice(1),
    unit = Math.min(j, size - 1);
  return card("sum", say("sum_title"), () => [
    h("p", { class: "sentence" }, say("sum_sentence", { step: t + 1, unit: unit + 1, units: size })),
    h(
      "div",
      { class: "picker" },
      h(
        "div",
        { class: "tabs", role: "tablist", "aria-label": say("sum_title") },
        names.map((name) =>
          h(
            "button",
            {
              type: "button",
              role: "tab",
              class: inkOf(name),
              "aria-selected": String(name === chosen),
              tabindex: name === chosen ? 0 : -1,
              id: `tab-${name}`,
              "aria-controls": "sum-panel",
              "data-tab": name,
              "aria-label": say(`name_${run.cell.kind}_${name}`),
            },
            letterOf(name),
          ),
        ),
      ),
      h(
        "div",
        { class: "stepper", role: "group", "aria-label": say("unit") },
        h(
          "button",
          { type: "button", "aria-label": say("unit_before"), disabled: unit <= 0, onclick: () => act.unit(unit - 1) },
          "‹",
        ),
        h("output", null, `${say("unit")} ${unit + 1}`),
        h(
          "button",
          {
            type: "button",
            "aria-label": say("unit_after"),
            disabled: unit >= run.cell.H - 1,
            onclick: () => act.unit(unit + 1),
          },
          "›",
        ),
      ),
    ),
    h(
      "div",
      { id: "sum-panel", role: "tabpanel", tabindex: 0, "aria-labelledby": `tab-${chosen}` },
      h(
        "p",
        { class: `gate-name ${inkOf(chosen)}` },
        h("b", null, letterOf(chosen)),
        " ",
        say(`name_${run.cell.kind}_${chosen}`),
      ),
      isShown(state, run, chosen, t) || reached !== null
        ? sumTable(run, chosen, unit, t, { reached })
        : h("p", { class: "quiet" }, say("not_yet")),
    ),
    h(
      "dl",
      { class: "now" },
      names.map((name) => {
        const place = Math.min(j, run.size(name) - 1);
        return h(
          "div",
          { class: inkOf(name) },
          h("dt", null, `${letterOf(name)}${low(place + 1)}`),
          h(
            "dd",
            null,
            h(
              "button",
              {
                type: "button",
                class: "value",
                "data-sum": `${name},${t},${place}`,
                tabindex: name === names[0] ? 0 : -1,
              },
              isShown(state, run, name, t) ? decimal(run.value(name, t, place), 4) : "·",
            ),
          ),
        );
      }),
    ),
  ]);
}

export function codeCard({ settings }, act, copied) {
  const code = codeOf(settings, say);
  return card("code", say("code_title"), () => [
    h("pre", { tabindex: 0, "aria-label": say("code_title") }, h("code", null, code)),
    h(
      "button",
      { type: "button", class: "plain", onclick: () => act.copy(code) },
      copied ? say("copied") : say("copy"),
    ),
  ]);
}

// Two layers side by side, row by row.
export function comparison(sides) {
  const row = (key, of) => {
    const values = sides.map(of);
    return h(
      "tr",
      { class: values[0] === values[1] ? "" : "differs" },
      h("th", { scope: "row" }, say(key)),
      values.map((value) => h("td", null, value)),
    );
  };
  return card("comparison", say("compare_title"), () => [
    h(
      "table",
      { class: "sizes compare" },
      h("thead", null, h("tr", null, h("td", null), h("th", { scope: "col" }, "A"), h("th", { scope: "col" }, "B"))),
      h(
        "tbody",
        null,
        row("kind", ({ settings }) => `${settings.bi ? "Bidirectional " : ""}${settings.kind}`),
        row("numbers", ({ settings, layer }) => count(layer ? layer.params : countOf(settings))),
        row("gates", ({ settings }) => String(KINDS[settings.kind].columns.length)),
        row("units", ({ settings }) => count(settings.units)),
        row("features", ({ settings }) => count(settings.features)),
        row("output", ({ settings }) => shapeText(outputsOf(settings)[0].shape.map((size) => size ?? "T"))),
        row("states", ({ settings }) => (settings.kind === "LSTM" ? "h, C" : "h")),
      ),
    ),
  ]);
}

function card(key, title, content) {
  return part("section", { class: `card card-${key}`, "aria-labelledby": `card-${key}` }, () => [
    h("h2", { id: `card-${key}` }, title),
    ...content(),
  ]);
}
