// Nodes of data. No text becomes HTML here: there is no innerHTML, and the Content-Security-Policy would refuse it.

/** An element with these properties, and with children that are nodes or texts. */
function el(tag, properties, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const byId = (id) => document.getElementById(id);

/** Makes the children of `parent` those of `items`. A child of the same key stays, and keeps focus and selection. */
function keyed(parent, items, keyOf, make, update) {
  // Of equal keys the first is another than the second.
  const counts = new Map();
  const keys = items.map((item) => {
    const key = keyOf(item);
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return `${count}/${key}`;
  });
  // Those that go are removed first: a node that is moved loses focus and selection, and is announced again.
  const wanted = new Set(keys);
  const old = new Map();
  for (const node of Array.from(parent.children)) {
    if (wanted.has(node.dataset.key)) old.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const [index, item] of items.entries()) {
    let node = old.get(keys[index]);
    if (!node) {
      node = make(item);
      node.dataset.key = keys[index];
    }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

/** Replaces the children, if they read differently. */
function say(node, ...children) {
  const text = children.map((child) => (typeof child === 'string' ? child : child.textContent)).join('\u0000');
  if (node.dataset.said !== text) {
    node.dataset.said = text;
    node.replaceChildren(...children);
  }
}

/** A link to the web, which learns nothing of the window. Any other address is text. */
function link(text, address) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // It stays text.
  }
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return document.createTextNode(text);
  return el('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer' }, text);
}

/** A round picture with the first letter of a name. */
function avatar(name) {
  const letters = Array.from(name);
  const color = letters.reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return el('span', { class: `avatar color${color}`, 'aria-hidden': 'true' }, letters[0] ?? '?');
}

/** A message, from the steps that the sandbox has made of it: `src/sandbox/window/tree.rs`. */
function body(steps, nameOf, fileLink) {
  const root = document.createDocumentFragment();
  const open = [root];
  const chip = (mark, name) => el('span', { class: 'chip' }, el('span', { class: 'mark' }, mark), name ? ' ' : null, name ? el('bdi', {}, name) : null);
  const begin = (node, inside = node) => {
    open.at(-1).append(node);
    open.push(inside);
  };
  for (const [kind, ...of] of steps) {
    switch (kind) {
      case 'info':
        begin(el('div', { class: 'box' }));
        break;
      case 'title':
        begin(el('div', { class: 'title' }));
        break;
      case 'quote': {
        const inside = el('div', {});
        const [by, at] = of;
        const head = by === null ? null : el('div', { class: 'quoted' }, avatar(nameOf(by)), ' ', el('bdi', {}, nameOf(by)), ' ', at === null ? null : when(at));
        begin(el('blockquote', {}, head, inside), inside);
        break;
      }
      case 'task': {
        const inside = el('div', {});
        const [to, status, due] = of;
        const head = el('div', { class: 'quoted' }, `${t('task')}: ${to.map(nameOf).join(', ')}`,
          status === 'done' ? ` (${t('done')})` : null, due === null ? null : ` ${t('due', clock(due))}`);
        begin(el('div', { class: 'box' }, head, inside), inside);
        break;
      }
      case '/':
        if (open.length > 1) open.pop();
        break;
      case 'text':
        open.at(-1).append(of[0]);
        break;
      case 'to':
        open.at(-1).append(chip(t('to'), nameOf(of[0])));
        break;
      case 'toall':
        open.at(-1).append(chip(t('to_all')));
        break;
      case 'reply':
        open.at(-1).append(chip(t('re'), nameOf(of[0])));
        break;
      case 'person':
        open.at(-1).append(el('span', { class: 'chip' }, avatar(nameOf(of[0])), ' ', el('bdi', {}, nameOf(of[0]))));
        break;
      case 'code':
        open.at(-1).append(el('pre', {}, el('code', {}, of[0])));
        break;
      case 'hr':
        open.at(-1).append(el('hr'));
        break;
      case 'link':
        open.at(-1).append(of[1] === null ? of[0] : link(of[0], of[1]));
        break;
      case 'preview':
        open.at(-1).append(el('span', { class: 'preview' }, t('preview')));
        break;
      case 'file':
        open.at(-1).append(fileLink(of[0], of[1]));
        break;
      case 'words':
        open.at(-1).append(tOf('service_words', of[0]));
        break;
      case 'deleted':
        open.at(-1).append(el('em', {}, t('deleted')));
        break;
    }
  }
  return root;
}

function when(milliseconds) {
  return el('time', { datetime: new Date(milliseconds).toISOString() }, clock(milliseconds));
}
