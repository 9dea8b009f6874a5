// Short ways to the elements of the page.

export function byId(id) {
  return document.getElementById(id);
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function cssColour([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}
