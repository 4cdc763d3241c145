// Elements that change only where what they say changes: a reader, or a screen reader, is not disturbed.

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

export function make(tag, text, name = "") {
  const element = Object.assign(document.createElement(tag), { textContent: text });
  if (name) element.className = name;
  return element;
}

// Puts `wanted` into `parent` in its order. What stands right is not touched, and the focus stays where it was.
export function arrange(parent, wanted) {
  const focused = document.activeElement;
  for (const child of [...parent.children]) {
    if (!wanted.includes(child)) child.remove();
  }
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

// What a line is made of: `parts` are [text, class name] or elements. A link that stays the same keeps the focus.
export function setParts(line, parts) {
  const wanted = parts.map((part) => (part instanceof Element ? part : make("span", ...part)));
  line.hidden = !wanted.length;
  wanted.forEach((element, index) => {
    const present = line.children[index];
    if (present === undefined) line.append(element);
    else if (!present.isEqualNode(element)) present.replaceWith(element);
  });
  while (line.children.length > wanted.length) line.lastElementChild.remove();
}
