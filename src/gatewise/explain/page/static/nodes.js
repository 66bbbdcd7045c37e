// Views are functions from state to nodes; `patch` makes the document agree with them, touching only what differs.
// Text becomes text nodes and nothing is parsed, so a name can never become markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate"]);

export function h(tag, attributes, ...children) {
  return {
    tag,
    attributes: attributes ?? {},
    children: children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false),
  };
}

export function patch(parent, children) {
  const nodes = children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
  nodes.forEach((node, k) => {
    const old = parent.childNodes[k];
    if (typeof node !== "object") patchText(parent, old, String(node));
    else if (old && old.vtag === node.tag && old.vkey === node.attributes.key) update(old, node);
    else replace(parent, old, create(parent, node));
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

function patchText(parent, old, text) {
  if (old && old.nodeType === Node.TEXT_NODE) {
    if (old.data !== text) old.data = text;
  } else replace(parent, old, document.createTextNode(text));
}

function replace(parent, old, made) {
  if (old) parent.replaceChild(made, old);
  else parent.append(made);
}

function create(parent, node) {
  const inSvg = node.tag === "svg" || (parent.namespaceURI === SVG && parent.tagName !== "foreignObject");
  const made = inSvg ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  made.vtag = node.tag;
  made.vkey = node.attributes.key;
  made.vattributes = {};
  update(made, node);
  return made;
}

function update(element, node) {
  const old = element.vattributes;
  for (const name of Object.keys(old)) if (!(name in node.attributes)) set(element, name, null, old[name]);
  const children = node.attributes.own ? null : childrenOf(element, node);
  if (children) patch(element, children);
  for (const [name, value] of Object.entries(node.attributes)) {
    if (PROPERTIES.has(name) ? element[name] !== value : old[name] !== value) set(element, name, value);
  }
  element.vattributes = node.attributes;
  if (node.attributes.after) node.attributes.after(element);
}

function set(element, name, value) {
  if (name === "key" || name === "after" || name === "own") return;
  if (name.startsWith("on")) element[name] = value;
  else if (name === "style")
    for (const [property, text] of Object.entries(value ?? {})) element.style.setProperty(property, text);
  else if (PROPERTIES.has(name)) element[name] = value ?? "";
  else if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : value);
}

// --- parts that are far from what is seen ----------------------------------------------------------------------------
//
// While something moves only what is on the screen, or near it, is drawn anew; all the rest follows when it is calm, so
// that what a screen reader finds is never old.

export const drawing = { everything: true };
const near = new WeakMap();
let observer = null;

function watch(element) {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const entry of entries) near.set(entry.target, entry.isIntersecting);
    },
    { rootMargin: "120px" },
  );
  if (!near.has(element)) {
    near.set(element, true);
    observer.observe(element);
  }
}

// A node whose children, `content()`, are made only if they are to be drawn.
export function part(tag, attributes, content) {
  return { tag, attributes: { ...attributes, after: watch }, children: [], content };
}

function childrenOf(element, node) {
  if (!node.content) return node.children;
  const skipped = !drawing.everything && near.get(element) === false && element.childNodes.length > 0;
  return skipped ? null : [node.content()];
}
