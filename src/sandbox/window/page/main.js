// What the sandbox holds, how it is fetched, and what a person does.

/** All but messages and requests, and the room in the middle, as they were fetched last. */
let view = null;
let room = null;
let viewText = '';
let roomText = '';

/** The fetching that is under way. */
let fetching = null;
let again = false;
let timer = 0;

/** Fetches what is shown, and shows it if it has changed. One at a time. Ends once the page is up to date. */
function refresh() {
  again = true;
  fetching ??= update();
  return fetching;
}

async function update() {
  try {
    while (again) {
      again = false;
      const text = await attempt('view');
      if (text === undefined) return;
      if (text !== viewText) {
        viewText = text;
        view = JSON.parse(text);
        choose();
      }
      const wanted = chosen;
      const shown = wanted && await attempt(`room?${new URLSearchParams(wanted)}`, 404);
      if (shown === undefined) return;
      const key = wanted && placeOf(wanted);
      if (shown && `${key}${shown}` !== roomText) {
        roomText = `${key}${shown}`;
        room = { ...JSON.parse(shown), service: wanted.service };
      }
      render();
    }
    waitForWindow();
  } finally {
    fetching = null;
  }
}

/** What is at a path. If the sandbox does not answer, it is asked again later, and this is undefined. */
async function attempt(path, unless) {
  try {
    return await get(path, unless);
  } catch {
    clearTimeout(timer);
    // A page that cannot be seen asks once it can be seen.
    if (!document.hidden) timer = setTimeout(refresh, 1000);
    return undefined;
  }
}

async function get(path, unless) {
  const answer = await fetch(path, { cache: 'no-store' });
  if (answer.ok) return answer.text();
  if (answer.status === unless) return null;
  throw new Error(String(answer.status));
}

/** A window of calls ends without an event. */
function waitForWindow() {
  clearTimeout(timer);
  const seconds = view.services.flatMap((service) => service.limits.map((limit) => limit.seconds)).filter((left) => left !== null);
  if (room?.posts?.used) seconds.push(room.posts.seconds);
  if (seconds.length) timer = setTimeout(refresh, Math.max(1, Math.min(...seconds)) * 1000 + 200);
}

function render() {
  if (!view) return;
  renderRooms();
  renderRoom();
  renderTools();
}

/** Asks the sandbox to do something. Returns whether it was done; if not, the page says why. */
async function act(path, what) {
  let words = null;
  try {
    const answer = await fetch(path, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(what, wellFormed),
    });
    const refused = answer.ok ? (await answer.json()).refused : answer.status === 413 ? 'too_long' : 'not_read';
    if (refused) words = tOf('refused', refused);
  } catch {
    words = t('connecting');
  }
  notice(words);
  refresh();
  return words === null;
}

/** Says what went wrong, or with null that all is well. */
function notice(words) {
  byId('notice').hidden = words === null;
  say(byId('notice'), words ?? '');
}

/** Half of a character, as it is left when a text is cut, is not JSON. */
function wellFormed(_, value) {
  return typeof value === 'string' ? value.toWellFormed?.() ?? value : value;
}

/** Fetches the requests that came before the stream of events. */
async function fetchRequests() {
  let text;
  try {
    text = await get('requests');
  } catch {
    // If the stream has ended as well, it fetches them when it is back.
    setTimeout(() => stream?.readyState === EventSource.OPEN && fetchRequests(), 1000);
    return;
  }
  for (const request of JSON.parse(text)) {
    // An event may have come since this was read.
    if (!requests.get(request.number)?.ended) takeRequest(request);
  }
  refresh();
}

let stream = null;

/** Receives events while the page can be seen: a browser has few connections to a host. */
function listen() {
  if (document.hidden) {
    stream?.close();
    stream = null;
    return;
  }
  if (stream) return;
  stream = new EventSource('events');
  stream.addEventListener('hello', () => {
    say(byId('connection'), t('connected'));
    byId('connection').className = 'good';
    requests.clear();
    fetchRequests();
  });
  stream.addEventListener('changed', refresh);
  stream.addEventListener('request', (event) => {
    takeRequest(JSON.parse(event.data));
    if (view) renderRequests();
    refresh();
  });
  stream.addEventListener('replaced', () => {
    stream.close();
    say(byId('connection'), t('replaced'));
    byId('connection').className = 'bad';
  });
  stream.addEventListener('error', () => {
    say(byId('connection'), t('connecting'));
    byId('connection').className = 'bad';
  });
}

document.addEventListener('visibilitychange', listen);

byId('language').addEventListener('change', () => {
  language = byId('language').value;
  sessionStorage.setItem('language', language);
  // What is there has words in it.
  for (const id of ['services', 'posts', 'limits']) byId(id).replaceChildren();
  label();
  if (stream?.readyState === EventSource.OPEN) say(byId('connection'), t('connected'));
  render();
});

byId('fault-service').addEventListener('change', () => render());

byId('compose').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (!written) return;
  const place = written;
  const body = takeDraft();
  if (!await act('post', { ...place, by: persons.get(place.service), body })) giveBack(place, body);
});

byId('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('compose').requestSubmit();
});

/** The largest file that the service takes. */
const MAX_FILE = 5 * 1024 * 1024;

byId('send-file').addEventListener('click', () => {
  const [file] = byId('file').files;
  if (!file || !written) return;
  if (file.size > MAX_FILE) {
    notice(tOf('refused', 'too_long'));
    return;
  }
  const place = written;
  const by = persons.get(place.service);
  const message = takeDraft();
  const reader = new FileReader();
  reader.addEventListener('error', () => {
    giveBack(place, message);
    notice(tOf('refused', 'not_read'));
  });
  reader.addEventListener('load', async () => {
    const done = await act('upload', {
      ...place, by, name: file.name, content_type: file.type || 'application/octet-stream', content: reader.result.split(',')[1] ?? '', message,
    });
    if (!done) giveBack(place, message);
    else if (byId('file').files[0] === file) byId('file').value = '';
  });
  reader.readAsDataURL(file);
});

label();
listen();
