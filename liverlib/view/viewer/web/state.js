// What the page shows: facts that Python wrote into it, and the state that the reader changes.

export const facts = JSON.parse(document.getElementById("facts").textContent);
export const compares = facts.has.label && facts.has.mask;
export const averaged = facts.factor.some((factor) => factor > 1); // also on the scan's grid

export const state = {
  at: facts.start.slice(), // the crosshair, in voxels of this page
  // The plane that keys, wheel and play move.
  active: facts.layout === "three" ? "axial" : facts.layout,
  layout: facts.layout,
  width: facts.window[0],
  level: facts.window[1],
  show: facts.show,
  liver: true,
  tumour: true,
  contour: false,
  hidden: false,
  opacity: facts.opacity,
  radiological: true,
  cross: true,
  smooth: true,
  playing: false,
  side: facts.second !== null, // whether a second row of views is shown
  zoom: 1,
  solidShown: false, // the pane of surfaces
  slab: 0, // mm; 0 for one slice
  slabKind: "mean",
  measure: null, // the last ruler or ellipse, of a row of views
  armed: false, // whether the wheel moves slices
  editing: false,
  tool: "look",
  of: "tumour", // what the tools paint and erase
  radius: 5, // mm, of the brush
  solid: false, // whether the tools work in 3D
  inside: false, // whether only liver and tumour change
  ranged: false, // whether only voxels from `low` to `high` HU change
  low: 0,
  high: 200,
  editNote: "", // why a tool did nothing
};

// Whether the two rows show the reference and the prediction.
export function comparesRows() {
  return compares && facts.second === null && state.side;
}

export const volume = {}; // as volume.makeVolume makes it; empty until it is decoded

// `draw` shows the slices; `refresh` shows everything else, which changes seldom.
const listeners = { draw: null, refresh: null };
let pending = false;

export function connect(draw, refresh) {
  Object.assign(listeners, { draw, refresh });
}

export function moveTo(at) {
  state.at = at;
  drawSoon();
}

export function change(changes) {
  Object.assign(state, changes);
  drawSoon();
  listeners.refresh();
}

// However much changes, the slices are painted once a frame.
function drawSoon() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    listeners.draw();
  });
}
