// The bar of tools: what it holds, shows and does.

import { byId } from "../dom.js";
import { applyTool, interpolateSlices } from "./pointer.js";
import { saveMask } from "./save.js";
import { redo, session, undo } from "./session.js";
import { focusActive } from "../slice-view.js";
import { change, state } from "../state.js";

export const TOOLS = ["look", "brush", "eraser", "fill", "smooth", "delete", "relabel"];
export const RADII = [1, 40]; // mm

export function listenToPanel() {
  for (const tool of TOOLS) {
    byId(`tool-${tool}`).addEventListener("click", (event) => {
      change({ tool });
      focusActive(event);
    });
  }
  byId("of").addEventListener("change", () => change({ of: byId("of").value }));
  byId("radius").addEventListener("input", () => resize(Number(byId("radius").value)));
  for (const id of ["solid", "inside", "ranged"]) {
    byId(id).addEventListener("change", () => change({ [id]: byId(id).checked }));
  }
  for (const id of ["low", "high"]) {
    byId(id).addEventListener("change", () => change({ [id]: Number(byId(id).value) }));
  }
  byId("interpolate").addEventListener("click", interpolateSlices);
  byId("undo").addEventListener("click", undo);
  byId("redo").addEventListener("click", redo);
  byId("save-mask").addEventListener("click", saveMask);
}

function resize(radius) {
  change({ radius: Math.min(RADII[1], Math.max(RADII[0], radius)) });
}

// Larger (1) or smaller (-1): by half a millimetre, from 6 mm on by one, from 16 by two.
export function resizeBy(direction) {
  const from = state.radius + Math.min(0, direction) / 4;
  resize(state.radius + direction * (from < 6 ? 0.5 : from < 16 ? 1 : 2));
}

export const EDIT_KEYS = {
  b: () => change({ tool: "brush" }),
  e: () => change({ tool: "eraser" }),
  f: () => change({ tool: "fill" }),
  m: () => change({ tool: "smooth" }),
  d: () => change({ tool: "delete" }),
  r: () => change({ tool: "relabel" }),
  t: () => change({ of: state.of === "tumour" ? "liver" : "tumour" }),
  k: () => change({ solid: !state.solid }),
  "[": () => resizeBy(-1),
  "]": () => resizeBy(1),
  i: interpolateSlices,
  z: undo,
  y: redo,
  Enter: () => applyTool(),
  s: saveMask,
};

// What a key does together with Ctrl or ⌘.
export function withControl(event) {
  if (!state.editing || !/^[zy]$/i.test(event.key)) return null;
  return event.key.toLowerCase() === "y" || event.shiftKey ? redo : undo;
}

export function refreshPanel() {
  byId("edit").setAttribute("aria-pressed", state.editing);
  byId("tools").hidden = !state.editing;
  if (!state.editing) return;
  for (const tool of TOOLS) byId(`tool-${tool}`).setAttribute("aria-pressed", state.tool === tool);
  for (const id of ["of", "radius", "low", "high"]) byId(id).value = state[id];
  for (const id of ["solid", "inside", "ranged"]) byId(id).checked = state[id];
  for (const id of ["low", "high"]) byId(id).disabled = !state.ranged;
  byId("millimetres").textContent = `${state.radius} mm`;
  const { steps, done } = session.edit;
  byId("undo").disabled = done === 0;
  byId("redo").disabled = done === steps.length;
  byId("undo").title = `Undo, ${done} of at most 200 steps (Ctrl Z)`;
  byId("edit-note").textContent = state.editNote;
}
