// Light or dark.
//
// In a notebook: as the first thing behind the iframe that has a colour, which works for every host
// and theme. On its own, or where the host keeps the page apart: as the system is set.

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

// From 0 to 255, or null where the host says nothing.
function hostBrightness() {
  for (let node = window.frameElement; node; node = node.parentElement) {
    const [r, g, b, a = 1] = getComputedStyle(node).backgroundColor.match(/[\d.]+/g).map(Number);
    if (a > 0.5) return 0.3 * r + 0.6 * g + 0.1 * b;
  }
  // A host without any colour is white, unless it says that it can be dark.
  const host = window.frameElement?.ownerDocument.documentElement;
  return host && !getComputedStyle(host).colorScheme.includes("dark") ? 255 : null;
}

function followTheme() {
  const brightness = hostBrightness();
  const dark = brightness === null ? prefersDark.matches : brightness < 128;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

export function watchTheme() {
  followTheme();
  prefersDark.addEventListener("change", followTheme);
  const host = window.frameElement?.ownerDocument;
  if (!host) return;
  const watcher = new MutationObserver(() => setTimeout(followTheme, 50));
  for (const node of [host.documentElement, host.body]) watcher.observe(node, { attributes: true });
  // Style sheets of a theme may come after its name.
  new MutationObserver(followTheme).observe(host.head, { childList: true });
}
