// The page: state, drawing once a frame, and what keys and clicks do.

import { ACTIVATIONS, madeOf, Run } from "./cells.js";
import { cellPicture } from "./cell_picture.js";
import { choice, controls } from "./controls.js";
import { heatMaps, matrices, pointedAt } from "./maps.js";
import { drawing, h, patch } from "./nodes.js";
import { codeCard, comparison, countCard, outputCard, sumCard } from "./panel.js";
import { figure } from "./parts.js";
import { Player, playerBar } from "./player.js";
import { layerPicture, sequencePicture } from "./sequence_picture.js";
import { arithmeticOf, codeOf, countOf, layerCode, matricesOf, outputsOf, shapeText } from "./sizes.js";
import { fittedRun } from "./sources.js";
import { fromHash, phasesOf, shownOf, sound, toHash, unitOf } from "./state.js";
import { tips } from "./tips.js";
import { setLanguage, setTexts, say } from "./words.js";

const TWO_COLUMNS = 640; // the least width, in pixels, for two layers side by side
const FRAME_MS = 7; // of each frame for computing further steps

const app = { data: null, state: null, shown: [], served: false, message: "", copied: false, frames: [] };
const place = (name) => document.getElementById(name);
let asked = false,
  calm = true,
  settling = 0,
  settled = 0;

function redraw() {
  app.idle = false;
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

// When nothing has moved for a moment (or, while something plays, now and then) everything is drawn.
function settle(moving) {
  clearTimeout(settling);
  if (calm) settled = performance.now();
  app.idle = calm && !moving;
  const wait = !calm && !(app.state.playing && performance.now() - settled < 400);
  calm = false;
  if (!wait) return;
  settling = setTimeout(
    () => {
      calm = true;
      redraw();
    },
    app.state.playing ? 0 : 120,
  );
}

const player = new Player(app, redraw);

const act = {
  view(change) {
    Object.assign(app.state.view, change);
    if ("t" in change) player.stop();
    redraw();
  },
  side(change) {
    const side = app.state.sides[app.state.view.side];
    Object.assign(side, change);
    sound(side, app.data);
    player.stop();
    redraw();
  },
  unit(unit) {
    act.view({ unit });
  },
  phase(phase) {
    app.state.phase = phase;
    redraw();
  },
  copy(code) {
    copyText(code).then((done) => {
      app.copied = done;
      redraw();
      setTimeout(() => {
        app.copied = false;
        redraw();
      }, 1600);
    });
  },
  upload(kind, input) {
    if (input.files[0])
      send(kind, input.files[0]).finally(() => {
        input.value = "";
      });
  },
};

async function copyText(code) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(code);
      return true;
    } catch {
      /* not allowed inside some frames: select it instead */
    }
  }
  const field = h("textarea", { class: "unseen", value: code }),
    holder = place("copy");
  patch(holder, [field]);
  holder.firstChild.select();
  const done = document.execCommand("copy");
  patch(holder, []);
  return done;
}

async function send(kind, file) {
  app.message = say("reading", { name: file.name });
  redraw();
  const answer = await fetch(kind, {
    method: "POST",
    body: file,
    headers: { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) },
  }).then(
    (response) => response.json(),
    () => ({ error: say("no_server") }),
  );
  if (answer.error) app.message = answer.error;
  else {
    app.message = "";
    app.data.models = answer.models;
    Object.assign(app.state.sides[app.state.view.side], {
      model: Math.max(0, answer.chosen ?? 0),
      layer: 0,
      sample: 0,
    });
    app.state.sides.forEach((side) => sound(side, app.data));
    Object.assign(app.state.view, { t: 0, unit: 0 });
  }
  redraw();
}

// --- drawing ---------------------------------------------------------------------------------------------------------

function frame(now) {
  asked = false;
  const { state, data } = app,
    { view } = state,
    started = performance.now();
  setLanguage(view.lang);
  shade(view.theme);
  const visible = view.compare ? [0, 1] : [0];
  app.shown = visible.map((k) => shownOf(state.sides[k], k, data));
  if (!view.compare) view.side = 0;
  let working = player.tick(now);
  for (const { run } of app.shown) if (!run.advance(started + FRAME_MS)) working = true;
  drawing.everything = calm;
  draw(now, visible);
  settle(working);
  keepAddress();
  app.frames.push(performance.now() - started);
  if (app.frames.length > 240) app.frames.shift();
  if (working) redraw();
}

function draw(now, visible) {
  const { state, data } = app,
    { view } = state,
    current = app.shown[view.compare ? view.side : 0];
  const title = `${headline(current)} · gatewise`;
  if (document.title !== title) document.title = title;
  patch(place("heading"), [
    h("span", { class: "mark" }, "gatewise"),
    h("h1", null, app.shown.map(headline).join("  ·  ")),
  ]);
  patch(place("switches"), [
    choice(
      "theme",
      say("theme"),
      [
        ["auto", say("theme_auto")],
        ["light", say("theme_light")],
        ["dark", say("theme_dark")],
      ],
      view.theme,
      (theme) => act.view({ theme }),
    ),
    h(
      "label",
      { class: "select" },
      h("span", { class: "unseen" }, say("language")),
      h(
        "select",
        { "data-language": "", onchange: (event) => act.view({ lang: event.target.value }) },
        Object.entries(data.languages).map(([code, name]) =>
          h("option", { value: code, lang: code, selected: code === view.lang }, name),
        ),
      ),
    ),
  ]);
  patch(place("controls"), [controls(app, act)]);
  mark(place("areas"), "comparing", view.compare);
  mark(place("pictures"), "two", view.compare && app.width >= TWO_COLUMNS);
  patch(
    place("pictures"),
    visible.map((k) => pictures(k)),
  );
  patch(place("numbers"), [
    view.compare ? comparison(app.shown) : null,
    countCard(current),
    outputCard(current),
    sumCard(state, current, act, player.reached(now)),
    codeCard(current, act, app.copied),
  ]);
  patch(place("player"), [playerBar(app, player, act)]);
  patch(place("skip"), [say("skip")]);
}

const mark = (element, name, on) => {
  if (element.classList.contains(name) !== on) element.classList.toggle(name);
};

function headline({ settings, layer }) {
  const plain = { ...settings, seq: false, state: false, bias: true, reset: true, proj: 0, more: {} };
  return `${layer ? `${layer.path} · ` : ""}${layerCode(plain).replaceAll("layers.", "")}`;
}

function pictures(k) {
  const { state } = app,
    shownSide = app.shown[k],
    W = widthOf(state.view.compare),
    F = shownSide.settings.features,
    H = shownSide.settings.units;
  const compare = state.view.compare,
    name = (key) => `${key}-${k}`,
    label = compare ? "AB"[k] : "";
  const steps = shownSide.settings.steps ?? shownSide.run.T;
  return h(
    "div",
    { class: `side${compare && k === state.view.side ? " active" : ""}`, "data-side": k },
    compare ? h("h2", { class: "side-name" }, h("b", null, "AB"[k]), headline(shownSide)) : null,
    figure(
      name("cell"),
      label,
      say("cell_title", { step: Math.min(state.view.t, shownSide.run.T - 1) + 1 }),
      compare ? null : say("cell_sentence", { F, H }),
      () => cellPicture(state, shownSide, W),
    ),
    figure(
      name("sequence"),
      label,
      say("sequence_title"),
      compare ? null : say("sequence_sentence", { T: steps }),
      () => sequencePicture(state, shownSide, W),
    ),
    figure(
      name("maps"),
      label,
      say("maps_title"),
      compare ? null : say(shownSide.layer?.samples ? "maps_real" : "maps_toy"),
      () => heatMaps(state, shownSide, k),
    ),
    figure(name("layer"), label, say("layer_title", { H }), compare ? null : say("layer_sentence", { H, F }), () =>
      layerPicture(state, shownSide, W),
    ),
    figure(name("matrices"), label, say("matrices_title"), compare ? null : say("matrices_sentence"), () =>
      matrices(state, shownSide, W, k),
    ),
  );
}

// The width for a picture, in whole pixels; pictures are drawn at the size at which they are seen.
function widthOf(compare) {
  const column = app.width,
    two = compare && column >= TWO_COLUMNS;
  return Math.max(280, Math.floor((two ? (column - 20) / 2 : column) - (innerWidth < 620 ? 26 : 42)));
}

function shade(theme) {
  const dark = theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const root = document.documentElement,
    name = dark ? "dark" : "light";
  if (root.dataset.shade !== name) root.dataset.shade = name; // setting it anew would style the whole page again
}

let keptHash = "",
  keeping = 0;
// Browsers allow few changes of the address in a short time, so it follows when things are calm.
function keepAddress() {
  const hash = toHash(app.state, app.data);
  if (hash === keptHash || location.protocol === "about:") return;
  keptHash = hash;
  clearTimeout(keeping);
  keeping = setTimeout(
    () => history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search),
    250,
  );
}

// --- keys and clicks -------------------------------------------------------------------------------------------------

const sideOf = (element) => {
  const k = Number(
    element.closest?.("[data-side]")?.dataset.side ?? (app.state.view.compare ? app.state.view.side : 0),
  );
  return app.shown[Math.min(k, app.shown.length - 1)];
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tag = event.target.tagName,
    typing = ["INPUT", "SELECT", "TEXTAREA"].includes(tag);
  if (event.target.getAttribute?.("role") === "tab") return void tabKeys(event);
  if (event.key === " " && !typing && tag !== "BUTTON" && tag !== "SUMMARY" && tag !== "LABEL") {
    event.preventDefault();
    return player.toggle();
  }
  if (typing) return;
  const inNow = event.target.closest?.(".now");
  if (inNow && ["ArrowLeft", "ArrowRight"].includes(event.key)) return void alongNumbers(event, inNow);
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (by) {
    event.preventDefault();
    if (event.shiftKey) player.moment(by);
    else player.move(by);
  } else if (event.target.closest?.("[data-maps]") && ["ArrowUp", "ArrowDown"].includes(event.key)) {
    event.preventDefault();
    const { run } = sideOf(event.target);
    act.unit(Math.max(0, Math.min(run.cell.H - 1, unitOf(app.state, run) + (event.key === "ArrowUp" ? -1 : 1))));
  }
}

function tabKeys(event) {
  const names = phasesOf(sideOf(event.target).run).slice(1),
    at = names.indexOf(event.target.dataset.tab);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(names[(to + names.length) % names.length]);
  requestAnimationFrame(() =>
    requestAnimationFrame(() => document.querySelector('[role="tab"][aria-selected="true"]')?.focus()),
  );
}

function alongNumbers(event, list) {
  const all = [...list.querySelectorAll("button")],
    at = all.indexOf(event.target);
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, at + (event.key === "ArrowRight" ? 1 : -1)))].focus();
}

function choose(gate) {
  player.stop();
  act.view({ gate });
}

function clicked(event) {
  const { target } = event;
  const tab = target.closest("[data-tab]"),
    step = target.closest("[data-step]"),
    unit = target.closest("[data-unit]"),
    gate = target.closest("[data-gate]");
  const side = target.closest("[data-side]");
  if (side && app.state.view.compare && Number(side.dataset.side) !== app.state.view.side)
    act.view({ side: Number(side.dataset.side) });
  if (tab) return choose(tab.dataset.tab);
  if (step) return act.view({ t: Number(step.dataset.step) });
  if (gate) choose(gate.dataset.gate);
  if (unit && target.closest("svg")) return act.unit(Number(unit.dataset.unit));
  if (target.tagName === "CANVAS" && target.dataset.map) {
    const spot = pointedAt(target, event, sideOf(target));
    if (spot) act.view(spot.name === "x" ? { t: spot.t } : { t: spot.t, unit: spot.unit, gate: spot.name });
  }
}

function start() {
  app.data = JSON.parse(place("gatewise-data").textContent);
  app.served = Boolean(app.data.served);
  setTexts(app.data.texts);
  app.state = fromHash(location.hash, app.data);
  setLanguage(app.state.view.lang);
  document.addEventListener("keydown", pressed);
  document.addEventListener("click", clicked);
  place("skip").addEventListener("click", (event) => {
    event.preventDefault();
    place("pictures").focus();
  });
  document.addEventListener("scroll", redraw, { passive: true });
  addEventListener("hashchange", () => {
    app.state = fromHash(location.hash, app.data);
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  app.width = place("pictures").clientWidth;
  new ResizeObserver(([entry]) => {
    app.width = entry.contentRect.width;
    redraw();
  }).observe(place("pictures"));
  tips(sideOf);
  // For the console and for tests: the page's state and its arithmetic.
  window.gatewise = {
    app,
    act,
    player,
    Run,
    fittedRun,
    madeOf,
    ACTIVATIONS,
    countOf,
    matricesOf,
    outputsOf,
    arithmeticOf,
    shapeText,
    codeOf: (settings) => codeOf(settings, say),
  };
  redraw();
}

start();
