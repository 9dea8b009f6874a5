// The pixels of one slice.
//
// Touches neither the document nor the page's state. The pixels must equal those of slices.py, so
// tables, rounding and the order of arithmetic follow it line by line. A pair is label + 4 * mask,
// a level an index into the HU values. `options` are fields of the page's state.

export const KINDS = ["", "liver", "tumour", "agreed", "missed", "extra"]; // as slices.KINDS
const LINE = 5; // ink of a kind's line, less that of its fill

// A class as it is shown: a tumour counts as liver where tumours are not chosen.
function chosenClass(options, value) {
  const liver = options.liver ? 1 : 0;
  return [0, liver, options.tumour ? 2 : liver, 0][value];
}

// The kind of a pair by how its two classes differ.
export function differenceKind(options, pair) {
  const reference = chosenClass(options, pair & 3);
  const predicted = chosenClass(options, pair >> 2);
  if (reference === predicted) return reference > 0 ? KINDS.indexOf("agreed") : 0;
  return KINDS.indexOf(reference > predicted ? "missed" : "extra");
}

// What to paint, bottom first: a table from pairs to kinds, and "fill", "line" or "dotted".
export function paintLayers(options) {
  const table = (kindOf) => Uint8Array.from({ length: 16 }, (_, pair) => kindOf(pair));
  const reference = table((pair) => chosenClass(options, pair & 3));
  const predicted = table((pair) => chosenClass(options, pair >> 2));
  const style = options.contour ? "line" : "fill";
  if (options.hidden) return [];
  if (options.show === "label") return [[reference, style]];
  if (options.show === "mask") return [[predicted, style]];
  if (options.show === "both") {
    return [[reference, options.contour ? "dotted" : "fill"], [predicted, "line"]];
  }
  return [[table((pair) => differenceKind(options, pair)), style]];
}

// Colours by ink * 256 + level, as the bytes of a pixel (R first in memory: little-endian).
// Inks: 0 bare, 1–5 a filled kind, 6–10 a line of a kind. Lines are twice as opaque.
export function makePalette(options, levels, colours) {
  const palette = new Uint32Array(11 * 256);
  const low = options.level - options.width / 2;
  for (let level = 0; level < 256; level++) {
    const fraction = (levels[level] - low) / options.width;
    const grey = Math.floor(Math.min(Math.max(fraction, 0), 1) * 255 + 0.5);
    for (let ink = 0; ink < 11; ink++) {
      const opacity = ink > LINE ? Math.min(1, 2 * options.opacity) : ink > 0 ? options.opacity : 0;
      const colour = ink > 0 ? colours[KINDS[((ink - 1) % LINE) + 1]] : [0, 0, 0];
      const [r, g, b] = colour.map((c) => Math.floor(grey * (1 - opacity) + c * opacity + 0.5));
      palette[ink * 256 + level] = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    }
  }
  return palette;
}

// Buffers for pictures of so many pixels; the pixels lie in `buffer`, four bytes each.
export function makeBuffers(buffer) {
  const pixels = new Uint32Array(buffer);
  return { pixels, inks: new Uint8Array(pixels.length), kinds: new Uint8Array(pixels.length) };
}

// Paints the slice of a walk (volume.sliceWalk) into the pixels of `buffers`; `slab` are levels of
// its pixels in place of the volume's.
export function paintSlice(volume, walk, layers, palette, buffers, slab = null) {
  const { levels, pairs } = volume;
  const { columns, rows, start, right, down } = walk;
  const { pixels } = buffers;
  const inks = buffers.inks.fill(0);
  for (const [table, style] of layers) {
    const kinds = style === "fill" ? inks : buffers.kinds;
    for (let r = 0, i = 0; r < rows; r++) {
      for (let c = 0, v = start + r * down; c < columns; c++, i++, v += right) {
        kinds[i] = table[pairs[v]];
      }
    }
    if (style !== "fill") paintOutline(inks, kinds, columns, rows, style === "dotted");
  }
  if (slab) {
    for (let i = 0; i < slab.length; i++) pixels[i] = palette[inks[i] * 256 + slab[i]];
    return;
  }
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0, v = start + r * down; c < columns; c++, i++, v += right) {
      pixels[i] = palette[inks[i] * 256 + levels[v]];
    }
  }
}

// A pixel is on the line if one of its four neighbours in the picture is of a lower kind.
function paintOutline(inks, kinds, columns, rows, dotted) {
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const kind = kinds[i];
      if (kind === 0 || (dotted && (r + c) % 2 === 1)) continue;
      const edge =
        (r > 0 && kinds[i - columns] < kind) ||
        (r < rows - 1 && kinds[i + columns] < kind) ||
        (c > 0 && kinds[i - 1] < kind) ||
        (c < columns - 1 && kinds[i + 1] < kind);
      if (edge) inks[i] = kind + LINE;
    }
  }
}
