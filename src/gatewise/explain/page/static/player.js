// Play: the moments of each step one after another, in the order in which the layer reads.

import { h } from "./nodes.js";
import { madeOf } from "./cells.js";
import { chosenOf, phasesOf, timeOf, unitOf } from "./state.js";
import { letterOf } from "./parts.js";
import { decimal, low, say } from "./words.js";

const PHASE_SECONDS = 1.1;
const SPEEDS = [0.5, 1, 2, 4];

export class Player {
  constructor(app, redraw) {
    Object.assign(this, { app, redraw, since: 0 });
  }

  get run() {
    return this.app.shown[this.app.state.view.compare ? this.app.state.view.side : 0].run;
  }

  toggle() {
    const { state } = this.app;
    state.playing = !state.playing;
    if (state.playing) {
      this.since = performance.now();
      const { run } = this;
      if (state.phase === null) {
        if (run.turn(timeOf(state, run)) >= run.T - 1) state.view.t = run.step(0);
        state.phase = 0;
      }
    }
    this.redraw();
  }

  stop() {
    Object.assign(this.app.state, { playing: false, phase: null });
  }

  // Go so many steps on in the order of reading.
  move(by) {
    const { state } = this.app,
      { run } = this;
    this.stop();
    state.view.t = run.step(Math.max(0, Math.min(run.T - 1, run.turn(timeOf(state, run)) + by)));
    this.redraw();
  }

  // The moment before or after within a step.
  moment(by) {
    const { state } = this.app,
      { run } = this,
      last = phasesOf(run).length - 1;
    state.playing = false;
    const phase = (state.phase ?? last) + by;
    const turn = run.turn(timeOf(state, run));
    if (phase > last && turn + 1 < run.T) {
      state.view.t = run.step(turn + 1);
      state.phase = 0;
    } else if (phase < 0 && turn > 0) {
      state.view.t = run.step(turn - 1);
      state.phase = last;
    } else state.phase = Math.max(0, Math.min(last, phase));
    this.redraw();
  }

  // Called for each frame; whether anything moves.
  tick(now) {
    const { state } = this.app;
    if (!state.playing) return false;
    const { run } = this,
      span = (1000 * PHASE_SECONDS) / state.view.speed;
    if (now - this.since >= span) {
      this.since = now;
      const turn = run.turn(timeOf(state, run));
      if (state.phase + 1 < phasesOf(run).length) state.phase += 1;
      else if (turn + 1 < run.T) {
        state.view.t = run.step(turn + 1);
        state.phase = 0;
      } else this.stop();
      this.announce();
    }
    return true;
  }

  // How many terms of the current sum are added by now; null for all.
  reached(now) {
    const { state } = this.app,
      { run } = this;
    if (!state.playing || !state.phase) return null;
    const name = chosenOf(state, run),
      made = madeOf(run, name, Math.min(unitOf(state, run), run.size(name) - 1), timeOf(state, run));
    if (!made || made.masked) return null;
    const share = ((now - this.since) * state.view.speed) / (1000 * PHASE_SECONDS * 0.8);
    return share >= 1 ? null : Math.max(1, Math.ceil(share * made.terms.length));
  }

  announce() {
    const { state } = this.app,
      { run } = this;
    if (state.phase === null || state.view.speed > 2) return;
    const t = timeOf(state, run),
      name = phasesOf(run)[state.phase],
      j = name === "x" ? 0 : Math.min(unitOf(state, run), run.size(name) - 1);
    document.getElementById("live").textContent =
      name === "x"
        ? say("live_input", { step: t + 1 })
        : say("live_value", {
            step: t + 1,
            name: say(`name_${run.cell.kind}_${name}`),
            unit: j + 1,
            value: decimal(run.value(name, t, j)),
          });
  }
}

const momentClass = (phase, k) => (phase === null || k < phase ? "" : k === phase ? " current" : " waiting");

export function playerBar(app, player, act) {
  const { state } = app,
    { run } = player,
    t = timeOf(state, run);
  const button = (key, sign, action, more = {}) =>
    h(
      "button",
      { type: "button", "aria-label": say(key), title: say(key), onclick: action, "data-player": key, ...more },
      sign,
    );
  const order = phasesOf(run);
  return h(
    "div",
    { class: "player-inside", role: "group", "aria-label": say("player") },
    h(
      "div",
      { class: "buttons" },
      button("first", icon("first"), () => player.move(-run.T)),
      button("back", icon("back"), () => player.move(-1)),
      button(state.playing ? "pause" : "play", icon(state.playing ? "pause" : "play"), () => player.toggle(), {
        class: "main",
      }),
      button("forward", icon("forward"), () => player.move(1)),
      button("last", icon("last"), () => player.move(run.T)),
    ),
    h("input", {
      type: "range",
      class: "time",
      min: 1,
      max: run.T,
      step: 1,
      value: String(t + 1),
      "aria-label": say("step"),
      "data-slider": "t",
      "aria-valuetext": say("step_of", { step: t + 1, steps: run.T }),
      oninput: (event) => {
        player.stop();
        act.view({ t: Number(event.target.value) - 1 });
      },
    }),
    h("output", { class: "clock" }, say("step_of", { step: t + 1, steps: run.T })),
    h(
      "ol",
      { class: "moments", "aria-label": say("moments") },
      order.map((name, k) =>
        h(
          "li",
          {
            class: `ink-${name}${momentClass(state.phase, k)}`,
          },
          h(
            "button",
            {
              type: "button",
              tabindex: -1,
              "aria-label": `${letterOf(name)}${low(t + 1)}`,
              onclick: () => {
                state.playing = false;
                act.phase(k);
              },
            },
            letterOf(name),
          ),
        ),
      ),
    ),
    h(
      "label",
      { class: "speed" },
      h("span", { class: "unseen" }, say("speed")),
      h(
        "select",
        { onchange: (event) => act.view({ speed: Number(event.target.value) }) },
        SPEEDS.map((speed) => h("option", { value: speed, selected: speed === state.view.speed }, `${speed}×`)),
      ),
    ),
  );
}

const ICONS = {
  play: "M4 2l10 6-10 6z",
  pause: "M4 2h3v12H4z M9 2h3v12H9z",
  first: "M3 3h2v10H3z M13 3v10L6 8z",
  last: "M11 3h2v10h-2z M3 3l7 5-7 5z",
  back: "M11 3v10L4 8z",
  forward: "M5 3l7 5-7 5z",
};

const icon = (name) =>
  h("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, h("path", { d: ICONS[name] }));
