// The slice browser: draws the volume that is in this page. Plain JavaScript, nothing is loaded.
//
// The pixels must equal those of render.py, so tables, rounding and the order of arithmetic follow
// it line by line. Voxels are in RAS order, x fastest; "level" is an index into facts.levels (HU).

"use strict";

(async () => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const $ = (id) => document.getElementById(id);

  // ---- Planes ---------------------------------------------------------------------------------
  // Axes of the volume (0 right, 1 front, 2 head) that run along the columns and rows of a picture
  // and through the stack. Rows always start at the high end (front or head up).

  const PLANES = {
    axial: { across: 0, up: 1, through: 2 },
    coronal: { across: 0, up: 2, through: 1 },
    sagittal: { across: 1, up: 2, through: 0 },
  };
  const NAMES = Object.keys(PLANES);
  const KINDS = ["", "liver", "tumour", "agreed", "missed", "extra"]; // as render.KINDS
  const BANDS = ["liver", "tumour", "missed", "extra"]; // of the strip along a slider
  const WORDS = ["background", "liver", "tumour"];
  const SHOWN_AS = { label: "truth", mask: "prediction", both: "both", difference: "difference" };

  const shape = facts.shape;
  const stride = [1, shape[0], shape[0] * shape[1]];
  const size = shape[0] * shape[1] * shape[2];

  const state = {
    at: facts.start.slice(), // the crosshair, in voxels of this page
    active: "axial", // the plane that keys, wheel and play move
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
    armed: false, // whether the wheel is ours
  };

  // ---- Data -----------------------------------------------------------------------------------

  async function unpack(element) {
    const text = atob(element.textContent);
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
    element.remove(); // megabytes of text that nothing needs any more
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    // Stored as differences from voxel to voxel, which compress better.
    for (let i = 1; i < size; i++) bytes[i] += bytes[i - 1];
    const painted = facts.has.label || facts.has.mask;
    return [bytes.subarray(0, size), painted ? bytes.subarray(size, 2 * size) : null];
  }

  // How many voxels of each pair lie in each slice: counts[axis][slice * 16 + pair].
  function countPairs(pairs) {
    const counts = shape.map((n) => new Uint32Array(n * 16));
    if (pairs === null) return counts;
    for (let z = 0, i = 0; z < shape[2]; z++) {
      for (let y = 0; y < shape[1]; y++) {
        for (let x = 0; x < shape[0]; x++, i++) {
          const pair = pairs[i];
          if (pair === 0) continue;
          counts[0][x * 16 + pair]++;
          counts[1][y * 16 + pair]++;
          counts[2][z * 16 + pair]++;
        }
      }
    }
    return counts;
  }

  // ---- What to paint (as render.paint_layers) -------------------------------------------------
  // A pair is truth + 4 * prediction. A layer is a table from pairs to kinds, and a style.

  function chosen(classOf) {
    const liver = state.liver ? 1 : 0;
    return [0, liver, state.tumour ? 2 : liver, 0][classOf];
  }

  function tableOf(kind) {
    return Uint8Array.from({ length: 16 }, (_, pair) => kind(chosen(pair & 3), chosen(pair >> 2)));
  }

  function unlike(truth, found) {
    if (truth === found) return truth > 0 ? KINDS.indexOf("agreed") : 0;
    return KINDS.indexOf(truth > found ? "missed" : "extra");
  }

  function paintLayers() {
    const plain = state.contour ? "line" : "fill";
    const truth = tableOf((t) => t);
    const found = tableOf((_, f) => f);
    if (pairs === null || state.hidden) return [];
    if (state.show === "label") return [[truth, plain]];
    if (state.show === "mask") return [[found, plain]];
    if (state.show === "both") return [[truth, state.contour ? "dotted" : "fill"], [found, "line"]];
    return [[tableOf(unlike), plain]];
  }

  // Colours by look * 256 + level, as the bytes of a pixel (R first in memory: little-endian).
  // Looks: 0 bare, 1–5 a filled kind, 6–10 a line of a kind; lines are twice as opaque.
  function makePalette() {
    const palette = new Uint32Array(11 * 256);
    const low = state.level - state.width / 2;
    for (let level = 0; level < 256; level++) {
      const share = (facts.levels[level] - low) / state.width;
      const grey = Math.floor(Math.min(Math.max(share, 0), 1) * 255 + 0.5);
      for (let look = 0; look < 11; look++) {
        const opacity = look > 5 ? Math.min(1, 2 * state.opacity) : look > 0 ? state.opacity : 0;
        const colour = look > 0 ? facts.colours[KINDS[((look - 1) % 5) + 1]] : [0, 0, 0];
        const [r, g, b] = colour.map((c) => Math.floor(grey * (1 - opacity) + c * opacity + 0.5));
        palette[look * 256 + level] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
      }
    }
    return palette;
  }

  // ---- Drawing one slice ----------------------------------------------------------------------

  function mirrored(plane) {
    return state.radiological || plane === "sagittal";
  }

  // Where the picture's first pixel lies in the volume, and the steps to the next column and row.
  function walk(plane) {
    const { across, up, through } = PLANES[plane];
    const [columns, rows] = [shape[across], shape[up]];
    const flip = mirrored(plane);
    const start =
      state.at[through] * stride[through] +
      (rows - 1) * stride[up] +
      (flip ? (columns - 1) * stride[across] : 0);
    return { columns, rows, start, right: flip ? -stride[across] : stride[across], down: -stride[up] };
  }

  function drawSlice(view, layers, palette) {
    const { columns, rows, start, right, down } = walk(view.plane);
    const looks = view.looks.fill(0);
    for (const [table, style] of layers) {
      const kinds = style === "fill" ? looks : view.kinds;
      for (let r = 0, i = 0; r < rows; r++) {
        for (let c = 0, v = start + r * down; c < columns; c++, i++, v += right) {
          kinds[i] = table[pairs[v]];
        }
      }
      if (style !== "fill") drawOutline(looks, kinds, columns, rows, style === "dotted");
    }
    const pixels = view.pixels;
    for (let r = 0, i = 0; r < rows; r++) {
      for (let c = 0, v = start + r * down; c < columns; c++, i++, v += right) {
        pixels[i] = palette[looks[i] * 256 + levels[v]];
      }
    }
    view.context.putImageData(view.image, 0, 0);
  }

  // A pixel is on the line if one of its four neighbours in the picture is of a lower kind.
  function drawOutline(looks, kinds, columns, rows, dotted) {
    for (let r = 0, i = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++, i++) {
        const kind = kinds[i];
        if (kind === 0 || (dotted && (r + c) % 2 === 1)) continue;
        const edge =
          (r > 0 && kinds[i - columns] < kind) ||
          (r < rows - 1 && kinds[i + columns] < kind) ||
          (c > 0 && kinds[i - 1] < kind) ||
          (c < columns - 1 && kinds[i + 1] < kind);
        if (edge) looks[i] = kind + 5;
      }
    }
  }

  // ---- Views: one for each plane --------------------------------------------------------------

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  function makeView(plane) {
    const { across, up, through } = PLANES[plane];
    const canvas = element("canvas", { width: shape[across], height: shape[up] });
    canvas.setAttribute("role", "img");
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    const image = context.createImageData(shape[across], shape[up]);
    const crossAcross = element("div", { className: "cross across" });
    const crossDown = element("div", { className: "cross down" });
    const picture = element("div", { className: "picture" }, canvas, crossAcross, crossDown);
    const sides = ["left", "right", "top", "bottom"].map((side) =>
      element("span", { className: `side ${side}`, ariaHidden: "true" }),
    );
    const name = element("div", { className: "name", ariaHidden: "true" });
    const frame = element("div", { className: "frame" }, picture, ...sides);
    const slider = element("input", { type: "range", min: 0, max: shape[through] - 1, step: 1 });
    slider.setAttribute("aria-label", `${plane} slice`);
    const bands = BANDS.slice(0, facts.has.label && facts.has.mask ? 4 : 2);
    slider.title = pairs === null ? "" : `Where there is, from the top: ${bands.join(", ")}`;
    const strip = element("canvas", { width: shape[through], height: bands.length, ariaHidden: "true" });
    const track = element("div", { className: "track" }, strip, slider);
    const root = element("section", { className: "view" }, name, frame, track);
    root.dataset.plane = plane;
    root.setAttribute("aria-label", `${plane} view`);
    $("views").append(root);
    const pixels = new Uint32Array(image.data.buffer);
    const [looks, kinds] = [new Uint8Array(pixels.length), new Uint8Array(pixels.length)];
    return { plane, root, frame, picture, canvas, context, image, pixels, looks, kinds,
      crossAcross, crossDown, sides, name, slider, strip };
  }

  // The voxel under a point of the picture given as shares of its width and height, and back.
  function toVoxel(plane, share) {
    const { across, up } = PLANES[plane];
    const at = state.at.slice();
    const [column, row] = [across, up].map((axis, i) =>
      Math.min(shape[axis] - 1, Math.max(0, Math.floor(share[i] * shape[axis]))),
    );
    at[across] = mirrored(plane) ? shape[across] - 1 - column : column;
    at[up] = shape[up] - 1 - row;
    return at;
  }

  function toShare(plane) {
    const { across, up } = PLANES[plane];
    const column = (state.at[across] + 0.5) / shape[across];
    return [mirrored(plane) ? 1 - column : column, 1 - (state.at[up] + 0.5) / shape[up]];
  }

  function sidesOf(plane) {
    const ends = plane === "sagittal" ? "AP" : state.radiological ? "RL" : "LR";
    return [...ends, ...(plane === "axial" ? "AP" : "HF")];
  }

  function visible() {
    return state.layout === "three" ? NAMES : [state.layout];
  }

  // All planes at one scale, as large as the page is wide; below each other where it is narrow.
  function arrange() {
    const planes = visible();
    const mm = (axis) => shape[axis] * facts.spacing[axis];
    const stacked = $("views").clientWidth < 560;
    $("views").classList.toggle("stacked", stacked);
    const widths = planes.map((plane) => mm(PLANES[plane].across));
    const wide = stacked ? Math.max(...widths) : widths.reduce((sum, width) => sum + width, 0);
    const high = Math.max(...planes.map((plane) => mm(PLANES[plane].up)));
    const columns = stacked ? 1 : planes.length;
    const room = $("views").clientWidth - columns * 4 - (columns - 1) * 6;
    const scale = Math.min(room / wide, (planes.length > 1 ? 400 : 560) / high);
    for (const view of views) {
      const { across, up } = PLANES[view.plane];
      view.root.hidden = !planes.includes(view.plane);
      view.picture.style.width = `${Math.max(1, Math.floor(mm(across) * scale))}px`;
      view.picture.style.height = `${Math.max(1, Math.floor(mm(up) * scale))}px`;
    }
    fitFrame();
  }

  // Inside a notebook the page lives in an iframe: make it as high as what it holds. Where the host
  // keeps us apart from it (frameElement is null then), it keeps the height that it was given.
  function fitFrame() {
    if (!window.frameElement) return;
    window.frameElement.style.height = `${document.documentElement.offsetHeight + 2}px`;
  }

  // ---- Words around the pictures --------------------------------------------------------------

  function hounsfield(level) {
    const [first, last] = [facts.levels[0], facts.levels[255]];
    if (level === 0) return `≤ ${first} HU`;
    if (level === 255) return `≥ ${last} HU`;
    const [before, hu, after] = facts.levels.slice(level - 1, level + 2);
    return `${hu} ± ${Math.max(hu - before, after - hu) / 2} HU`;
  }

  function fileVoxel() {
    return state.at.map((i, axis) => facts.origin[axis] + i * facts.factor[axis]);
  }

  function millimetres() {
    const at = [...state.at, 1];
    return facts.affine.map((row) => row.reduce((sum, value, i) => sum + value * at[i], 0));
  }

  function readOut() {
    const i = state.at.reduce((sum, value, axis) => sum + value * stride[axis], 0);
    const words = [`voxel ${fileVoxel().join(", ")}`];
    const mm = millimetres().map((value) => value.toFixed(1).replace("-0.0", "0.0"));
    words.push(facts.spacing_known ? `${mm.join(", ")} mm` : "mm unknown", hounsfield(levels[i]));
    if (facts.has.label) words.push(`truth: ${WORDS[pairs[i] & 3]}`);
    if (facts.has.mask) words.push(`prediction: ${WORDS[pairs[i] >> 2]}`);
    return words.join(" · ");
  }

  function legendOf() {
    if (pairs === null || state.hidden) return [];
    if (state.show === "difference") return ["agreed", "missed", "extra"];
    return ["liver", "tumour"].filter((name) => state[name]);
  }

  function howShown() {
    const lines = state.contour ? "dotted: truth, line: prediction" : "filled: truth, line: prediction";
    return { label: "truth", mask: "prediction", both: lines, difference: "" }[state.show];
  }

  function swatch(name) {
    const made = element("span", { className: "swatch" });
    made.style.background = `rgb(${facts.colours[name].join(" ")})`;
    return made;
  }

  function writeLegend() {
    const names = legendOf();
    const entries = names.map((name) => element("span", {}, swatch(name), ` ${name}`));
    if (names.length) entries.push(element("span", { className: "faint" }, howShown()));
    $("legend").replaceChildren(...entries);
  }

  function describe(view) {
    const slice = state.at[PLANES[view.plane].through];
    const held = pairs === null ? [] : tally(view.plane, slice);
    const content = held.map((n, kind) => (n ? KINDS[kind] : "")).filter(Boolean).join(", ");
    return `slice ${slice + 1} of ${shape[PLANES[view.plane].through]}${content && `: ${content}`}`;
  }

  // ---- The strip along a slider ---------------------------------------------------------------

  // Voxels of each kind in a slice: liver and tumour of the truth (or else of the prediction),
  // missed and extra where there are both.
  function tally(plane, slice) {
    const held = [0, 0, 0, 0, 0, 0];
    const count = counts[PLANES[plane].through];
    for (let pair = 1; pair < 16; pair++) {
      const n = count[slice * 16 + pair];
      const [truth, found] = [pair & 3, pair >> 2];
      held[facts.has.label ? truth : found] += n;
      if (facts.has.label && facts.has.mask) held[unlike(chosen(truth), chosen(found))] += n;
    }
    held[0] = held[KINDS.indexOf("agreed")] = 0;
    return held;
  }

  function drawStrip(view) {
    const n = shape[PLANES[view.plane].through];
    const context = view.strip.getContext("2d");
    context.clearRect(0, 0, n, 4);
    const held = Array.from({ length: n }, (_, slice) => tally(view.plane, slice));
    BANDS.forEach((name, band) => {
      const kind = KINDS.indexOf(name);
      const most = Math.max(...held.map((h) => h[kind]));
      context.fillStyle = `rgb(${facts.colours[name].join(" ")})`;
      for (let slice = 0; slice < n; slice++) {
        context.globalAlpha = 0.35 + (0.65 * held[slice][kind]) / most; // the least is still seen
        if (held[slice][kind]) context.fillRect(slice, band, 1, 1);
      }
    });
  }

  // ---- Change, then draw once a frame ---------------------------------------------------------

  let frame = 0;
  let paint = null; // the layers and the palette, kept while only the place changes

  function set(changes) {
    Object.assign(state, changes);
    if (!frame) frame = requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    paint ??= [paintLayers(), makePalette()];
    for (const view of views) {
      if (view.root.hidden) continue;
      drawSlice(view, ...paint);
      place(view);
    }
    $("readout").textContent = readOut();
  }

  function place(view) {
    const { through } = PLANES[view.plane];
    const [x, y] = toShare(view.plane);
    view.crossDown.style.left = `${100 * x}%`;
    view.crossAcross.style.top = `${100 * y}%`;
    view.slider.value = state.at[through];
    const words = describe(view);
    view.name.textContent = `${view.plane} ${state.at[through] + 1} / ${shape[through]}`;
    view.slider.setAttribute("aria-valuetext", words);
    view.canvas.setAttribute("aria-label", `${view.plane}, ${words}`);
  }

  // What changes seldom: everything but the slices. Called after set() by the controls.
  function refresh() {
    const preset = Object.entries(facts.windows).find(
      ([, [width, level]]) => width === state.width && level === state.level,
    );
    $("window").value = preset ? preset[0] : "own";
    $("width").value = state.width;
    $("level").value = state.level;
    $("show").value = state.show;
    $("layout").value = state.layout;
    $("opacity").value = Math.round(100 * state.opacity);
    for (const id of ["liver", "tumour", "contour"]) $(id).checked = state[id];
    for (const id of ["cross", "smooth"]) $(id).setAttribute("aria-pressed", state[id]);
    $("flip").setAttribute("aria-pressed", !state.radiological);
    $("flip").textContent = state.radiological ? "R | L" : "L | R";
    $("play").setAttribute("aria-pressed", state.playing);
    $("play").textContent = state.playing ? "❚❚ pause" : "▶ play";
    $("views").classList.toggle("armed", state.armed);
    $("views").classList.toggle("sharp", !state.smooth);
    for (const view of views) {
      view.root.classList.toggle("active", view.plane === state.active);
      sidesOf(view.plane).forEach((letter, i) => (view.sides[i].textContent = letter));
      view.crossAcross.hidden = view.crossDown.hidden = !state.cross;
    }
    // Differences have colours of their own, which the legend says.
    $("tumour").closest(".bar").classList.toggle("difference", state.show === "difference");
    // Ten slices a second are too many to be read out.
    $("readout").setAttribute("aria-live", state.playing ? "off" : "polite");
    const tumours = slicesWithTumour(state.active).length > 0;
    for (const id of ["previous", "largest", "next"]) $(id).disabled = !tumours;
    writeLegend();
  }

  function change(changes) {
    set(changes);
    paint = null;
    refresh();
  }

  // ---- Moving through the slices --------------------------------------------------------------

  function goTo(slice, plane = state.active) {
    const axis = PLANES[plane].through;
    const at = state.at.slice();
    at[axis] = Math.min(shape[axis] - 1, Math.max(0, slice));
    set({ at });
  }

  function step(by) {
    goTo(state.at[PLANES[state.active].through] + by);
  }

  function isTumour(pair) {
    const [truth, found] = [(pair & 3) === 2, pair >> 2 === 2];
    return { label: truth, mask: found }[state.show] ?? (truth || found);
  }

  function tumourIn(plane, slice) {
    let sum = 0;
    for (let pair = 1; pair < 16; pair++) {
      if (isTumour(pair)) sum += counts[PLANES[plane].through][slice * 16 + pair];
    }
    return sum;
  }

  function slicesWithTumour(plane) {
    const slices = [...Array(shape[PLANES[plane].through]).keys()];
    return slices.filter((slice) => tumourIn(plane, slice) > 0);
  }

  function toTumour(direction) {
    const here = state.at[PLANES[state.active].through];
    const slices = slicesWithTumour(state.active).filter((s) => (s - here) * direction > 0);
    if (slices.length) goTo(direction > 0 ? slices[0] : slices.at(-1));
  }

  // The slice with most tumour, the crosshair on the tumour voxel nearest to its centre there.
  function toLargest() {
    const { across, up, through } = PLANES[state.active];
    const slices = slicesWithTumour(state.active);
    if (!slices.length) return;
    const most = Math.max(...slices.map((s) => tumourIn(state.active, s)));
    const at = state.at.slice();
    at[through] = slices.find((s) => tumourIn(state.active, s) === most);
    const inside = [];
    for (let u = 0; u < shape[up]; u++) {
      for (let a = 0; a < shape[across]; a++) {
        const i = at[through] * stride[through] + u * stride[up] + a * stride[across];
        if (isTumour(pairs[i])) inside.push([a, u]);
      }
    }
    const mean = [0, 1].map((k) => inside.reduce((sum, p) => sum + p[k], 0) / inside.length);
    const far = (p) => (p[0] - mean[0]) ** 2 + (p[1] - mean[1]) ** 2;
    [at[across], at[up]] = inside.reduce((best, p) => (far(p) < far(best) ? p : best));
    set({ at });
  }

  let lastStep = 0;

  function play(now) {
    if (!state.playing) return;
    if (now - lastStep >= 80) {
      lastStep = now;
      const axis = PLANES[state.active].through;
      goTo((state.at[axis] + 1) % shape[axis]);
    }
    requestAnimationFrame(play);
  }

  function togglePlay() {
    change({ playing: !state.playing });
    if (state.playing) requestAnimationFrame(play);
  }

  // ---- Mouse ----------------------------------------------------------------------------------

  function listenToMouse(view) {
    let drag = null; // "cross", or the window and the place where dragging it began
    const follow = (event) => {
      if (drag === "cross") {
        const box = view.picture.getBoundingClientRect();
        const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
        set({ at: toVoxel(view.plane, share) });
      } else if (drag) {
        const width = Math.max(1, drag.width + 2 * Math.round(event.clientX - drag.x));
        change({ width, level: drag.level + 2 * Math.round(drag.y - event.clientY) });
      }
    };
    view.frame.addEventListener("pointerdown", (event) => {
      change({ active: view.plane, armed: true });
      view.slider.focus({ preventScroll: true });
      event.preventDefault();
      const window_ = event.button === 2 || event.shiftKey;
      drag = window_ ? { x: event.clientX, y: event.clientY, ...pick("width", "level") } : "cross";
      view.frame.setPointerCapture(event.pointerId);
      follow(event);
    });
    view.frame.addEventListener("pointermove", follow);
    for (const end of ["pointerup", "pointercancel"]) {
      view.frame.addEventListener(end, () => (drag = null));
    }
    view.frame.addEventListener("contextmenu", (event) => event.preventDefault());
    view.frame.addEventListener("dblclick", () => {
      change({ layout: state.layout === "three" ? view.plane : "three" });
      arrange();
    });
    view.slider.addEventListener("input", () => goTo(Number(view.slider.value), view.plane));
    view.slider.addEventListener("focus", () => change({ active: view.plane }));
  }

  function pick(...names) {
    return Object.fromEntries(names.map((name) => [name, state[name]]));
  }

  // The wheel scrolls the page until a picture was clicked. A notch is one slice, however long the
  // machine says it is; the many small turns of a touch pad are added up.
  let turned = 0;

  function onWheel(event) {
    if (!state.armed || event.ctrlKey) return;
    event.preventDefault();
    const under = event.target.closest?.(".view");
    if (under && under.dataset.plane !== state.active) change({ active: under.dataset.plane });
    turned += event.deltaMode ? 40 * Math.sign(event.deltaY) : event.deltaY;
    if (Math.abs(turned) < 40) return;
    step(turned > 0 ? -1 : 1);
    turned = 0;
  }

  function giveBack() {
    change({ armed: false });
  }

  // ---- Keys -----------------------------------------------------------------------------------

  const KEYS = {
    ArrowUp: () => step(1),
    ArrowRight: () => step(1),
    ArrowDown: () => step(-1),
    ArrowLeft: () => step(-1),
    PageUp: () => step(10),
    PageDown: () => step(-10),
    Home: () => goTo(0),
    End: () => goTo(Infinity),
    "[": () => toTumour(-1),
    "]": () => toTumour(1),
    l: toLargest,
    o: () => change({ hidden: !state.hidden }),
    c: () => change({ cross: !state.cross }),
    " ": togglePlay,
    1: () => change({ active: NAMES[0] }),
    2: () => change({ active: NAMES[1] }),
    3: () => change({ active: NAMES[2] }),
  };

  function onKey(event) {
    const typed = event.getModifierState("AltGraph"); // how some keyboards write [ and ]
    if ((event.ctrlKey || event.metaKey || event.altKey) && !typed) return;
    if (event.key === "Escape") {
      change({ armed: false, playing: false });
      document.activeElement.blur();
      return;
    }
    // A control keeps the keys that it needs itself; a slice's slider only moves as the keys say.
    const target = event.target;
    const control = target.closest("button, select, input, summary, #lesions");
    if (control && !control.closest(".track")) {
      if (control.type === "number" || control.tagName === "SELECT") return;
      if (event.key === " " || event.key === "Enter") return;
      if (/Arrow|Page|Home|End/.test(event.key) && /range|select/.test(control.type)) return;
      if (control.id === "lesions" && /Arrow|Page|Home|End/.test(event.key)) return;
    }
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  }

  // ---- Controls -------------------------------------------------------------------------------

  function listenToControls() {
    $("window").addEventListener("change", () => {
      const preset = facts.windows[$("window").value];
      if (preset) change({ width: preset[0], level: preset[1] });
    });
    for (const id of ["width", "level"]) {
      $(id).addEventListener("change", () => {
        const value = Number($(id).value);
        change({ [id]: id === "width" ? Math.max(1, value) : value });
      });
    }
    $("show").addEventListener("change", () => change({ show: $("show").value }));
    $("opacity").addEventListener("input", () => change({ opacity: $("opacity").value / 100 }));
    for (const id of ["liver", "tumour", "contour"]) {
      $(id).addEventListener("change", () => {
        change({ [id]: $(id).checked });
        views.forEach(drawStrip);
      });
    }
    for (const id of ["cross", "smooth"]) {
      $(id).addEventListener("click", () => change({ [id]: !state[id] }));
    }
    $("flip").addEventListener("click", () => change({ radiological: !state.radiological }));
    $("layout").addEventListener("change", () => {
      const active = $("layout").value === "three" ? state.active : $("layout").value;
      change({ layout: $("layout").value, active });
      arrange();
    });
    $("previous").addEventListener("click", () => toTumour(-1));
    $("next").addEventListener("click", () => toTumour(1));
    $("largest").addEventListener("click", toLargest);
    $("play").addEventListener("click", togglePlay);
    $("save").addEventListener("click", savePicture);
  }

  function fillControls() {
    document.querySelector("h1").textContent = facts.title;
    $("note").textContent = facts.note;
    const options = [...Object.keys(facts.windows), "own"];
    $("window").append(...options.map((name) => element("option", { value: name }, name)));
    const can = { label: facts.has.label, mask: facts.has.mask };
    can.both = can.difference = can.label && can.mask;
    const shows = Object.keys(can).filter((show) => can[show]);
    $("show").append(...shows.map((s) => element("option", { value: s }, SHOWN_AS[s])));
    for (const part of document.querySelectorAll(".painted")) part.hidden = shows.length === 0;
    for (const id of ["liver", "tumour"]) {
      $(id).nextElementSibling.style.background = `rgb(${facts.colours[id].join(" ")})`;
    }
  }

  // ---- Lesions --------------------------------------------------------------------------------

  function listLesions() {
    if (!facts.lesions.length) return;
    const heads = ["lesion", "ml", "mm across", ...(facts.has.label && facts.has.mask ? ["found"] : [])];
    const table = element("table", {}, element("caption", {}, facts.lesions_note));
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const body = element("tbody");
    for (const lesion of facts.lesions) {
      const button = element("button", { type: "button" }, lesion.name);
      const row = element("tr", {}, element("td", {}, button));
      row.append(...lesion.cells.map((text) => element("td", {}, text)));
      button.setAttribute("aria-label", `go to lesion ${lesion.name}, ${lesion.cells.join(", ")}`);
      button.addEventListener("click", () => {
        body.querySelector(".here")?.classList.remove("here");
        row.className = "here";
        set({ at: lesion.at.slice() });
      });
      body.append(row);
    }
    table.append(element("thead", {}, head), body);
    $("lesions").append(table);
    $("lesions").hidden = false;
  }

  // ---- Saving the view ------------------------------------------------------------------------

  function composePicture() {
    const shown = views.filter((view) => !view.root.hidden);
    const boxes = shown.map((view) => view.frame.getBoundingClientRect());
    const [left, top] = [boxes[0].left, shown[0].name.getBoundingClientRect().top];
    const width = Math.max(...boxes.map((box) => box.right)) - left;
    const height = boxes.at(-1).bottom - top;
    const scale = 2; // sharp enough for print
    const canvas = element("canvas", { width: width * scale, height: (height + 66) * scale });
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.fillRect(0, 0, width, height + 66);
    context.imageSmoothingEnabled = state.smooth;
    for (const view of shown) pastePicture(context, view, left, top);
    writeCaption(context, width - 12, height);
    return canvas;
  }

  function pastePicture(context, view, left, top) {
    const box = view.picture.getBoundingClientRect();
    const [x, y] = [box.left - left, box.top - top];
    context.drawImage(view.canvas, x, y, box.width, box.height);
    const [across, down] = toShare(view.plane);
    context.fillStyle = "rgb(255 255 255 / 55%)";
    if (state.cross) {
      context.fillRect(x, y + down * box.height, box.width, 1);
      context.fillRect(x + across * box.width, y, 1, box.height);
    }
    context.save();
    Object.assign(context, { fillStyle: "white", shadowColor: "black", shadowBlur: 6 });
    for (const words of [...view.sides, view.name]) {
      const at = words.getBoundingClientRect();
      context.font = `${words === view.name ? 400 : 600} 13px system-ui, sans-serif`;
      context.fillText(words.textContent, at.left - left + 3, at.bottom - top - 4);
    }
    context.restore();
  }

  // Three lines below the pictures, condensed where they are too long.
  function writeCaption(context, width, height) {
    context.font = "13px system-ui, sans-serif";
    context.fillStyle = "white";
    context.fillText(`${facts.title}  ${facts.note}`, 6, height + 18, width);
    context.fillText(readOut(), 6, height + 38, width);
    let x = 6;
    for (const name of legendOf()) {
      context.fillStyle = `rgb(${facts.colours[name].join(" ")})`;
      context.fillRect(x, height + 48, 11, 11);
      context.fillStyle = "white";
      context.fillText(name, x + 16, height + 58);
      x += 32 + context.measureText(name).width;
    }
    const window_ = `window ${state.width} / ${state.level} HU`;
    const words = [legendOf().length ? howShown() : "", window_].filter(Boolean);
    context.fillText(words.join(" · "), x, height + 58, Math.max(1, width - x));
  }

  function savePicture() {
    draw();
    composePicture().toBlob((blob) => {
      const name = (facts.title || "slices").replace(/[^\p{L}\p{N}_-]+/gu, "_");
      const link = element("a", { href: URL.createObjectURL(blob), download: `${name}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  // ---- Light or dark --------------------------------------------------------------------------
  // In a notebook: as the first thing behind the iframe that has a colour, which works for every
  // host and theme. On its own, or where the host keeps us apart: as the system is set.

  function behindUs() {
    for (let at = window.frameElement; at; at = at.parentElement) {
      const [r, g, b, a = 1] = getComputedStyle(at).backgroundColor.match(/[\d.]+/g).map(Number);
      if (a > 0.5) return 0.3 * r + 0.6 * g + 0.1 * b;
    }
    // A host without any colour is white, unless it says that it can be dark.
    const host = window.frameElement?.ownerDocument.documentElement;
    return host && !getComputedStyle(host).colorScheme.includes("dark") ? 255 : null;
  }

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  function followTheme() {
    const light = behindUs();
    const dark = light === null ? prefersDark.matches : light < 128;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  }

  function watchTheme() {
    followTheme();
    prefersDark.addEventListener("change", followTheme);
    const host = window.frameElement?.ownerDocument;
    if (!host) return;
    const watcher = new MutationObserver(() => setTimeout(followTheme, 50));
    for (const at of [host.documentElement, host.body]) watcher.observe(at, { attributes: true });
    // Style sheets of a theme may come after its name.
    new MutationObserver(followTheme).observe(host.head, { childList: true });
  }

  // ---- Begin ----------------------------------------------------------------------------------

  watchTheme();
  let levels, pairs; // of each voxel
  try {
    [levels, pairs] = await unpack($("voxels"));
  } catch (error) {
    $("message").textContent =
      `The slices cannot be shown: ${error.message}. A current Chrome, Edge, Firefox or Safari can.`;
    $("message").hidden = false;
    return;
  }
  const counts = countPairs(pairs);
  document.querySelector("main").hidden = false;
  const views = NAMES.map(makeView);
  fillControls();
  listLesions();
  refresh();
  arrange();
  draw();
  views.forEach(drawStrip);
  views.forEach(listenToMouse);
  listenToControls();
  document.addEventListener("keydown", onKey);
  $("views").addEventListener("wheel", onWheel, { passive: false });
  window.addEventListener("blur", giveBack);
  new ResizeObserver(arrange).observe($("views"));
  new ResizeObserver(fitFrame).observe(document.body);
  window.sliceBrowser = { state, change, draw, arrange, views }; // for tests, and for the curious
})();
