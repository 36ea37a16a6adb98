// What the sandbox holds, how it is fetched, and what a person does.

/** All but messages and requests, and the room in the middle, as they were fetched last. */
let view = null;
let room = null;
let viewText = '';
let roomText = '';

let fetching = false;
let again = false;
let timer = 0;

/** Fetches what is shown, and shows it if it has changed. One at a time. */
async function refresh() {
  again = true;
  if (fetching) return;
  fetching = true;
  try {
    while (again) {
      again = false;
      const text = await get('view');
      if (text !== viewText) {
        viewText = text;
        view = JSON.parse(text);
        choose();
      }
      const wanted = chosen;
      const shown = wanted && await get(`room?${new URLSearchParams(wanted)}`, 404);
      const key = wanted && `${wanted.service}/${wanted.room}`;
      if (shown && `${key}${shown}` !== roomText) {
        roomText = `${key}${shown}`;
        room = { ...JSON.parse(shown), service: wanted.service };
      }
      render();
    }
    waitForWindow();
  } catch {
    // The stream reports that the sandbox has gone, and calls this when it is back.
  } finally {
    fetching = false;
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
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(what),
    });
    const refused = answer.ok ? (await answer.json()).refused : 'too_long';
    if (refused) words = tOf('refused', refused);
  } catch {
    words = t('connecting');
  }
  byId('notice').hidden = words === null;
  say(byId('notice'), words ?? '');
  refresh();
  return words === null;
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
  stream.addEventListener('hello', async () => {
    say(byId('connection'), t('connected'));
    byId('connection').className = 'good';
    try {
      requests.clear();
      for (const request of JSON.parse(await get('requests'))) takeRequest(request);
    } catch {
      return;
    }
    refresh();
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
  const text = byId('text');
  const done = await act('post', { service: chosen.service, room: chosen.room, by: persons.get(chosen.service), body: text.value });
  if (done) text.value = '';
});

byId('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('compose').requestSubmit();
});

byId('send-file').addEventListener('click', () => {
  const [file] = byId('file').files;
  if (!file) return;
  const reader = new FileReader();
  reader.addEventListener('load', async () => {
    const done = await act('upload', {
      service: chosen.service, room: chosen.room, by: persons.get(chosen.service), name: file.name,
      content_type: file.type || 'application/octet-stream', content: reader.result.split(',')[1] ?? '', message: byId('text').value,
    });
    if (done) {
      byId('file').value = '';
      byId('text').value = '';
    }
  });
  reader.readAsDataURL(file);
});

label();
listen();
