// The longest distance between points, exactly.
//
// Touches neither the document nor the page's state.

// `points` are flat (x, y, z, x, …), in mm. Pairs are tried from the outermost inwards: two points
// are at most as far apart as both are from the middle, which soon ends the search.
export function longestDistance(points) {
  const n = points.length / 3;
  const middle = [0, 1, 2].map((k) => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = k; i < points.length; i += 3) {
      low = Math.min(low, points[i]);
      high = Math.max(high, points[i]);
    }
    return (low + high) / 2;
  });
  const far = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    far[i] = Math.hypot(
      points[3 * i] - middle[0], points[3 * i + 1] - middle[1], points[3 * i + 2] - middle[2]);
  }
  const order = Uint32Array.from(far, (_, i) => i).sort((a, b) => far[b] - far[a]);
  let best = 0;
  for (let a = 0; a < n; a++) {
    const i = 3 * order[a];
    if (2 * far[order[a]] <= best) break;
    for (let b = a + 1; b < n; b++) {
      const j = 3 * order[b];
      if (far[order[a]] + far[order[b]] <= best) break;
      const [x, y, z] = [points[i] - points[j], points[i + 1] - points[j + 1],
        points[i + 2] - points[j + 2]];
      const distance = Math.sqrt(x * x + y * y + z * z);
      if (distance > best) best = distance;
    }
  }
  return best;
}
