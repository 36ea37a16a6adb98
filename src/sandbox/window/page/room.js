// Rooms on the left, and the room in the middle.

/** Who the person is in each service, by its id. */
const persons = new Map();

/** The room in the middle: `{service, room}`. */
let chosen = null;

/** The room that the message field is for, and what is written for others, by their places. */
let written = null;
const drafts = new Map();

const placeOf = ({ service, room }) => `${service}/${room}`;

const serviceOf = (id) => view.services.find((service) => service.id === id);
const memberOf = (room, person) => room.members.find((member) => member.id === person);

function nameIn(service) {
  const names = new Map(service.people.map((person) => [person.id, person.name]));
  return (id) => names.get(id) ?? id;
}

function titleOf(room, person) {
  return room.kind === 'my' ? t('my') : memberOf(room, person)?.name ?? room.members[0]?.name ?? room.id;
}

/** Gives each service a person, and the middle a room, as far as there are any. */
function choose() {
  for (const service of view.services) {
    const known = service.people.some((person) => person.id === persons.get(service.id));
    // The first is the program under test, in most seeds.
    if (!known) persons.set(service.id, (service.people[1] ?? service.people[0])?.id);
  }
  const rooms = (id) => serviceOf(id)?.rooms.filter((room) => memberOf(room, persons.get(id))) ?? [];
  if (chosen && rooms(chosen.service).some((room) => room.id === chosen.room)) return;
  const service = [chosen?.service, ...view.services.map((service) => service.id)].find((id) => rooms(id).length > 0);
  const room = service && (rooms(service).find((room) => room.kind === 'group') ?? rooms(service)[0]);
  chosen = room ? { service, room: room.id } : null;
}

/** Lets the message field be for a room: what is written for one is never sent to another. */
function writeIn(place) {
  const text = byId('text');
  const key = place && placeOf(place);
  if (key === (written && placeOf(written))) return;
  if (written) drafts.set(placeOf(written), text.value);
  written = place && { ...place };
  text.value = drafts.get(key) ?? '';
  drafts.delete(key);
}

/** What is written, which leaves the field. */
function takeDraft() {
  const text = byId('text').value;
  byId('text').value = '';
  return text;
}

/** Puts back what was not sent, before what was written since. */
function giveBack(place, text) {
  const join = (later) => (later ? `${text}\n${later}` : text);
  if (written && placeOf(written) === placeOf(place)) byId('text').value = join(byId('text').value);
  else drafts.set(placeOf(place), join(drafts.get(placeOf(place))));
}

/** When the log of messages speaks again. */
let quiet = 0;

/** Lets a screen reader hear new messages only, and not those of a room or a language that was chosen. */
function announce(list, anew, filled) {
  if (anew) {
    clearTimeout(quiet);
    quiet = 0;
    list.setAttribute('aria-live', 'off');
  }
  if (filled && !quiet && list.getAttribute('aria-live') === 'off') {
    quiet = setTimeout(() => {
      quiet = 0;
      list.setAttribute('aria-live', 'polite');
    }, 1000);
  }
}

function renderRooms() {
  keyed(byId('services'), view.services, (service) => service.id, makeService, (node, service) => {
    const select = node.querySelector('select');
    keyed(select, service.people, (person) => person.id, (person) => el('option', { value: person.id }), (option, person) => say(option, person.name));
    select.value = persons.get(service.id) ?? '';
    const person = persons.get(service.id);
    const rooms = service.rooms.filter((room) => memberOf(room, person));
    keyed(node.querySelector('ul'), rooms, (room) => room.id, (room) => makeRoom(service, room), (item, room) => {
      const button = item.firstElementChild;
      const { unread, mentions } = memberOf(room, person);
      const current = chosen?.service === service.id && chosen?.room === room.id;
      if (current) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      say(button, el('bdi', {}, titleOf(room, person)),
        unread ? el('span', { class: 'count' }, ` ${t('unread', unread)}`) : '',
        mentions ? el('span', { class: 'count to-me' }, ` ${t('mentions', mentions)}`) : '');
    });
    node.querySelector('.hint').hidden = rooms.length > 0;
  });
}

function makeService(service) {
  const select = el('select', {
    onchange: () => {
      persons.set(service.id, select.value);
      choose();
      render();
      refresh();
    },
  });
  return el('section', {}, el('h3', {}, service.name), el('label', {}, `${t('as', service.name)} `, select),
    el('ul', { class: 'plain' }), el('p', { class: 'hint' }, t('nobody')));
}

function makeRoom(service, room) {
  const open = () => {
    chosen = { service: service.id, room: room.id };
    choose();
    render();
    refresh();
  };
  return el('li', {}, el('button', { type: 'button', class: 'room', onclick: open }));
}

/** Shows the room that was fetched, if it is still the one that is chosen. */
function renderRoom() {
  byId('compose').hidden = !chosen;
  writeIn(chosen);
  if (!chosen) return;
  const service = serviceOf(chosen.service);
  const person = persons.get(service.id);
  const listed = service.rooms.find((room) => room.id === chosen.room);
  say(byId('room-title'), titleOf(listed, person));
  const shown = room?.service === service.id && room?.id === chosen.room ? room : null;
  const nameOf = nameIn(service);
  const fileLink = (id, name) => (id === null ? document.createTextNode(name) : el('a', { href: fileAddress(id), download: '' }, name));

  const about = byId('about');
  about.hidden = !shown?.about.length;
  if (shown) replaceOnce(about, shown.about, () => body(shown.about, nameOf, fileLink));

  const list = byId('messages');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const place = placeOf(chosen);
  const other = list.dataset.place !== place;
  announce(list, other || list.dataset.language !== language, shown !== null);
  if (other) list.replaceChildren();
  list.dataset.place = place;
  list.dataset.language = language;
  keyed(list, shown?.messages ?? [], (message) => `${message.id}/${message.edited}/${language}`,
    (message) => makeMessage(message, nameOf, fileLink));
  const older = shown ? shown.all - shown.messages.length : 0;
  byId('older').hidden = older === 0;
  say(byId('older'), t('older', older));
  if (atEnd || other) list.scrollTop = list.scrollHeight;

  const may = Boolean(shown?.writers.includes(person));
  byId('compose').classList.toggle('closed', !may);
  for (const node of byId('compose').querySelectorAll('textarea, button, input')) node.disabled = !may;
  say(byId('text-label'), may || !shown ? t('write_as', nameOf(person)) : t('may_not'));
  byId('upload').hidden = service.id !== 'chatwork';
  const posts = shown?.posts;
  keyed(byId('posts'), posts && posts.limit < 1e9 ? [posts] : [], () => 'posts', makeMeter, (node, { used, limit, seconds }) => {
    setMeter(node, limit - used, limit, t('posted', used, limit, seconds));
  });

  byId('tasks-section').hidden = !shown?.tasks.length;
  keyed(byId('tasks'), shown?.tasks ?? [], (task) => `${task.id}/${task.done}/${language}`,
    (task) => makeTask(service, task, nameOf, fileLink));
  byId('files-section').hidden = !shown?.files.length;
  keyed(byId('files'), shown?.files ?? [], (file) => `${file.id ?? `${file.name}/${file.at}`}/${language}`, (file) => el('li', {},
    el('bdi', {}, fileLink(file.id, file.name)), ` ${t('bytes', file.size.toLocaleString(language))}, `, el('bdi', {}, nameOf(file.by)), ', ', when(file.at)));
}

/** Fills a node again only if what it shows has changed. */
function replaceOnce(node, data, make) {
  const said = JSON.stringify([data, language]);
  if (node.dataset.said === said) return;
  node.dataset.said = said;
  node.replaceChildren(make());
}

function fileAddress(id) {
  return `file?${new URLSearchParams({ service: chosen.service, room: chosen.room, id })}`;
}

function makeMessage(message, nameOf, fileLink) {
  const name = nameOf(message.by);
  const head = el('header', {}, avatar(name), el('strong', {}, el('bdi', {}, name)), ' ', when(message.at),
    message.edited === null ? null : el('span', { class: 'hint' }, ` ${t('edited')}`));
  return el('article', { 'aria-label': name }, head, el('div', { class: 'body', dir: 'auto' }, body(message.text, nameOf, fileLink)));
}

function makeTask(service, task, nameOf, fileLink) {
  const to = task.to === null ? nameOf(task.by) : nameOf(task.to);
  const finish = async () => {
    await act('finish', { service: service.id, room: chosen.room, task: task.id });
    await refresh();
    // Its own button has gone.
    if (document.activeElement === document.body) (byId('tasks').querySelector('button') ?? byId('messages')).focus();
  };
  return el('li', { class: 'task' },
    el('span', { class: task.done ? 'state good' : 'state' }, t(task.done ? 'done' : 'open')),
    el('span', {}, el('bdi', {}, to), ':'), el('span', { class: 'body', dir: 'auto' }, body(task.text, nameOf, fileLink)),
    task.due === null ? null : el('span', { class: 'hint' }, t('due', clock(task.due))),
    task.done || service.id !== 'chatwork' ? null : el('button', { type: 'button', onclick: finish }, t('finish')));
}

/** A gauge with its words. */
function makeMeter() {
  const words = el('span', {});
  return el('div', { class: 'gauge' }, el('meter', { min: 0 }), words);
}

function setMeter(node, value, max, words) {
  const [meter, text] = node.children;
  meter.max = max;
  meter.high = max * 0.5;
  meter.low = max * 0.1;
  meter.optimum = max;
  meter.value = value;
  meter.setAttribute('aria-label', words);
  say(text, words);
}
