// The slice browser: shows the volume that is in this page. Plain JavaScript, nothing is loaded.
//
// These are ES modules; bundle.py joins them into the one script of the page.

import { fillControls, fillShows, listenToControls, refreshControls } from "./controls.js";
import { byId } from "./dom.js";
import { onEdited, session } from "./edit/session.js";
import { prepareEditing } from "./edit/start.js";
import { listenToInput, listenToViews } from "./input.js";
import { listenToKeys } from "./keys.js";
import { arrange, fitFrame } from "./layout.js";
import { listLesions } from "./lesions.js";
import { drawSolid, prepareSolid, renewSurfacesSoon, solid } from "./solid/solid-view.js";
import { draw, makeViews, refreshViews, views } from "./slice-view.js";
import { change, connect, facts, state, volume } from "./state.js";
import { drawStrip } from "./strip.js";
import { watchTheme } from "./theme.js";
import { decodeVolume, fromBase64 } from "./volume.js";

function takeVoxels() {
  const packed = fromBase64(byId("voxels").textContent);
  byId("voxels").remove(); // megabytes of text that nothing needs any more
  return decodeVolume(packed, facts.shape, facts.has.label || facts.has.mask);
}

function refresh() {
  refreshViews();
  refreshControls();
}

function drawAll() {
  draw();
  drawSolid();
}

function showPage() {
  document.querySelector("main").hidden = false;
  connect(drawAll, refresh);
  makeViews();
  fillControls();
  listLesions();
  refresh();
  arrange();
  draw();
  views.forEach(drawStrip);
}

// Makes the views again, for a volume of another size.
function renewViews() {
  makeViews();
  listenToViews();
  refresh();
  arrange();
  drawAll();
  views.forEach(drawStrip);
}

function listen() {
  listenToInput();
  listenToKeys();
  listenToControls();
  new ResizeObserver(arrange).observe(byId("views"));
  new ResizeObserver(fitFrame).observe(document.body);
}

async function start() {
  watchTheme();
  try {
    Object.assign(volume, await takeVoxels());
  } catch (error) {
    const advice = "A current Chrome, Edge, Firefox or Safari can.";
    byId("message").textContent = `The slices cannot be shown: ${error.message}. ${advice}`;
    byId("message").hidden = false;
    return;
  }
  showPage();
  listen();
  // For tests, and for the curious.
  window.sliceBrowser = { facts, state, change, draw, arrange, views, volume, session, solid };
  byId("side").addEventListener("click", () => {
    change({ side: !state.side });
    renewViews();
  });
  prepareSolid();
  onEdited(renewSurfacesSoon);
  prepareEditing(renewViews, fillShows);
}

start();
