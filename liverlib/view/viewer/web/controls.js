// The controls above the pictures and the legend below: what they hold, show and do.

import { byId, cssColour, element } from "./dom.js";
import { refreshPanel } from "./edit/panel.js";
import { savePicture } from "./export.js";
import { arrange } from "./layout.js";
import { hasTumour, toLargest, toTumour, togglePlay } from "./navigation.js";
import { zoomIn, zoomOff, zoomOut } from "./look/zoom.js";
import { legendKinds, legendNote } from "./readout.js";
import { focusActive, views } from "./slice-view.js";
import { renewSurfacesSoon } from "./solid/solid-view.js";
import { change, compares, facts, state } from "./state.js";
import { drawStrip } from "./strip.js";

const SHOWN_AS = { label: "reference", mask: "prediction", both: "both", difference: "difference" };

export function fillControls() {
  document.querySelector("h1").textContent = facts.title;
  byId("note").textContent = facts.note;
  const presets = [...Object.keys(facts.windows), "own"];
  byId("window").append(...presets.map((name) => element("option", { value: name }, name)));
  fillShows();
}

// What can be painted, which grows where a mask is begun.
export function fillShows() {
  const possible = { ...facts.has, both: compares, difference: compares };
  const shows = Object.keys(SHOWN_AS).filter((show) => possible[show]);
  byId("show").replaceChildren(...shows.map((show) => element("option", { value: show }, SHOWN_AS[show])));
  for (const part of document.querySelectorAll(".painted")) part.hidden = shows.length === 0;
  for (const id of ["liver", "tumour"]) {
    byId(id).nextElementSibling.style.background = cssColour(facts.colours[id]);
  }
}

export function listenToControls() {
  listenToWindow();
  listenToPaint();
  for (const id of ["cross", "smooth"]) onClick(id, () => change({ [id]: !state[id] }));
  onClick("flip", () => change({ radiological: !state.radiological }));
  byId("layout").addEventListener("change", () => {
    const layout = byId("layout").value;
    change({ layout, active: layout === "three" ? state.active : layout });
    arrange();
  });
  listenToLooks();
  onClick("previous", () => toTumour(-1));
  onClick("next", () => toTumour(1));
  onClick("largest", toLargest);
  onClick("play", togglePlay);
  onClick("save", savePicture);
}

function onClick(id, action) {
  byId(id).addEventListener("click", action);
}

function listenToLooks() {
  byId("side").hidden = facts.second === null && !compares;
  onClick("zoom-in", zoomIn);
  onClick("zoom-out", zoomOut);
  onClick("zoom-off", zoomOff);
  for (const tool of ["ruler", "ellipse"]) {
    onClick(`tool-${tool}`, (event) => {
      change({ tool: state.tool === tool ? "look" : tool });
      focusActive(event);
    });
  }
  byId("slab").addEventListener("change", () => {
    change({ slab: Math.max(0, Number(byId("slab").value)) });
  });
  byId("slabKind").addEventListener("change", () => change({ slabKind: byId("slabKind").value }));
}

function listenToWindow() {
  byId("window").addEventListener("change", () => {
    const preset = facts.windows[byId("window").value];
    if (preset) change({ width: preset[0], level: preset[1] });
  });
  byId("width").addEventListener("change", () => {
    change({ width: Math.max(1, Number(byId("width").value)) });
  });
  byId("level").addEventListener("change", () => change({ level: Number(byId("level").value) }));
}

function listenToPaint() {
  byId("show").addEventListener("change", () => {
    change({ show: byId("show").value });
    renewSurfacesSoon();
  });
  byId("opacity").addEventListener("input", () => change({ opacity: byId("opacity").value / 100 }));
  for (const id of ["liver", "tumour", "contour"]) {
    byId(id).addEventListener("change", () => {
      change({ [id]: byId(id).checked });
      views.forEach(drawStrip);
    });
  }
}

export function refreshControls() {
  const isPreset = ([, [width, level]]) => width === state.width && level === state.level;
  byId("window").value = Object.entries(facts.windows).find(isPreset)?.[0] ?? "own";
  for (const id of ["width", "level", "show", "layout", "slab", "slabKind"]) {
    byId(id).value = state[id];
  }
  for (const tool of ["ruler", "ellipse"]) {
    byId(`tool-${tool}`).setAttribute("aria-pressed", state.tool === tool);
  }
  byId("zoom-off").textContent = `zoom ${Number(state.zoom.toFixed(1))}×`;
  byId("panes").classList.toggle("zoomed", state.zoom > 1);
  byId("panes").classList.toggle("tooled", state.tool !== "look");
  byId("opacity").value = Math.round(100 * state.opacity);
  for (const id of ["liver", "tumour", "contour"]) byId(id).checked = state[id];
  for (const id of ["cross", "smooth", "side"]) byId(id).setAttribute("aria-pressed", state[id]);
  byId("flip").setAttribute("aria-pressed", !state.radiological);
  byId("flip").textContent = state.radiological ? "R | L" : "L | R";
  byId("play").setAttribute("aria-pressed", state.playing);
  byId("play").textContent = state.playing ? "❚❚ pause" : "▶ play";
  // Ten slices a second are too many to be read out.
  byId("readout").setAttribute("aria-live", state.playing ? "off" : "polite");
  const resting = !hasTumour();
  for (const id of ["previous", "largest", "next"]) byId(id).disabled = resting;
  // Differences have colours of their own, which the legend says.
  byId("tumour").closest(".bar").classList.toggle("difference", state.show === "difference");
  refreshPanel();
  refreshLegend();
}

function refreshLegend() {
  const entries = legendKinds().map((kind) => element("span", {}, swatch(kind), ` ${kind}`));
  if (entries.length) entries.push(element("span", { className: "faint" }, legendNote()));
  byId("legend").replaceChildren(...entries);
}

function swatch(kind) {
  const made = element("span", { className: "swatch" });
  made.style.background = cssColour(facts.colours[kind]);
  return made;
}
